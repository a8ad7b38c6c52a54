//! Random orders of everything that can happen.

use bencher_channel_protocol::runner::{Ending, Fault, Timer};
use bencher_channel_protocol::{Checksum, REPLACED};
use proptest::option;
use proptest::prelude::*;

use crate::course::{CHECKSUM, OTHER};
use crate::world::{Event, Health, World};

fn any_event() -> impl Strategy<Value = Event> {
    let ending = prop_oneof![
        Just(Ending::EndOfFile),
        Just(Ending::Reset("reset".to_owned())),
        Just(Ending::Closed {
            code: 1001,
            reason: "server shutting down".to_owned()
        }),
        Just(Ending::Closed {
            code: 1009,
            reason: "too long".to_owned()
        }),
        Just(Ending::Closed {
            code: 1008,
            reason: REPLACED.to_owned()
        }),
    ];
    let checksum = prop_oneof![
        Just(CHECKSUM.parse().unwrap()),
        Just(OTHER.parse::<Checksum>().unwrap())
    ];
    prop_oneof![
        4 => Just(Event::Connect),
        2 => ending.prop_map(Event::Lose),
        12 => (any::<bool>(), any::<bool>()).prop_map(|(cancels, names)| Event::Answer {
            cancels: cancels && names,
            names,
        }),
        5 => (1_u8..5).prop_map(Event::Job),
        1 => (1_u8..5).prop_map(Event::BadJob),
        2 => Just(Event::NoJob),
        1 => Just(Event::Cancel),
        1 => checksum.prop_map(Event::Update),
        1 => Just(Event::Malformed),
        8 => prop::sample::select(Timer::ALL.to_vec()).prop_map(Event::Fire),
        3 => Just(Event::SetUp),
        1 => Just(Event::Output),
        4 => option::of(prop::sample::select(vec![Fault::Job, Fault::Host]))
            .prop_map(|fails| Event::End { fails }),
        2 => any::<bool>().prop_map(|is_fit| Event::HostAnswers { is_fit }),
        1 => Just(Event::Stop),
        1 => Just(Event::Updated),
        2 => (any::<bool>(), option::of(1_u8..5), any::<bool>()).prop_map(
            |(is_final, left, delivers)| Event::NotUpdated { is_final, left, delivers }
        ),
        1 => prop::sample::select(vec![Health::Good, Health::Full, Health::Ill])
            .prop_map(Event::Disk),
        16 => Just(Event::DiskAnswers),
        1 => (1_u8..5).prop_map(Event::Removed),
        1 => Just(Event::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_happens(events in prop::collection::vec(any_event(), 1..120)) {
        let mut world = World::default();
        let (mut machine, effects) = world.crash();
        world.apply(effects);
        for event in events {
            if matches!(event, Event::Crash) || world.has_exited.is_some() {
                let (new, effects) = world.crash();
                machine = new;
                world.apply(effects);
            } else if let Some(input) = world.input(&event) {
                world.tell(&mut machine, input);
            }
        }
        world.settle(&mut machine);
    }
}
