//! Whose turn it is.

use bencher_statistics::{Order, Plan, Side};

/// Whose turn it is.
#[derive(Debug)]
pub(crate) enum Turns {
    /// There is one side.
    One,
    /// There are two, in the order of a plan; what came of it so far.
    Pairs { plan: Plan, orders: Vec<Order> },
}

impl Turns {
    pub(crate) fn pairs(seed: u64) -> Self {
        Self::Pairs {
            plan: Plan::new(seed),
            orders: Vec::new(),
        }
    }

    /// The sides of the next round, the first one last.
    pub(super) fn next(&mut self, is_warmup: bool) -> Vec<usize> {
        let Self::Pairs { plan, orders } = self else {
            return vec![0];
        };
        if is_warmup {
            return vec![1, 0];
        }
        // The plan has no end.
        let order = plan.next().unwrap_or(Order::BaselineFirst);
        orders.push(order);
        let place = |side| match side {
            Side::Baseline => 0,
            Side::Candidate => 1,
        };
        order.sides().into_iter().rev().map(place).collect()
    }

    /// The orders of the rounds that were begun, where there are two sides.
    pub(super) fn orders(&self) -> &[Order] {
        match self {
            Self::One => &[],
            Self::Pairs { orders, .. } => orders,
        }
    }

    /// The same, when it is over.
    pub(super) fn into_orders(self) -> Vec<Order> {
        match self {
            Self::One => Vec::new(),
            Self::Pairs { orders, .. } => orders,
        }
    }
}
