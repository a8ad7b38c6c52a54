//! Whatever comes down the stream, the decoder's memory stays within what its documentation says.
//! Alone in its program, for it counts every allocation of it.

#![expect(unsafe_code, reason = "an allocator that counts is one, too")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use bencher_output_protocol::{
    Decoder, GuestMessage, HEADER_LENGTH, MAX_DATA, MAX_GUEST_PAYLOAD, MAX_HOST_PAYLOAD,
};

struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is done by the system's allocator; counting has no effect on it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        PEAK.fetch_max(now, Ordering::SeqCst);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `work` has in use at one time, beyond what was before it.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = IN_USE.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    work();
    PEAK.load(Ordering::SeqCst) - before
}

/// Growing a buffer has the old and the new one in use for a moment.
const GROWTH: usize = 2;
const READ: usize = 64 * 1024;

/// Fills all the space that is offered, again and again, with what `byte` gives for each position
/// of the stream.
fn flood(decoder: &mut Decoder, total: usize, byte: impl Fn(usize) -> u8) {
    let mut position = 0;
    while position < total {
        let space = decoder.space();
        let count = space.len();
        for place in space {
            *place = byte(position);
            position += 1;
        }
        decoder.filled(count);
        loop {
            match decoder.next_from_guest() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

// One test: others would allocate meanwhile.
#[test]
fn memory_is_bounded() {
    let frame = GuestMessage::Stdout(&vec![7; MAX_DATA]).encode().unwrap();
    let limit = GROWTH * (HEADER_LENGTH + MAX_DATA + 2 * READ);
    let used = peak_of(|| {
        let mut decoder = Decoder::of_guest();
        flood(&mut decoder, 50 * 1024 * 1024, |position| {
            frame[position % frame.len()]
        });
    });
    assert!(
        used <= limit,
        "a flood of the largest frames takes {used} bytes"
    );

    let small = GuestMessage::Stdout(b"").encode().unwrap();
    let used = peak_of(|| {
        let mut decoder = Decoder::of_guest();
        flood(&mut decoder, 10 * 1024 * 1024, |position| {
            small[position % small.len()]
        });
    });
    assert!(used <= limit, "a flood of empty frames takes {used} bytes");

    // A document whose lists and texts claim to be as long as a number can say.
    for kind in [1, 2, 5, 6, 9, 10, 11] {
        for fill in [0xff_u8, 0x80, 0x7f, 0x00] {
            let mut stream = MAX_GUEST_PAYLOAD.to_le_bytes().to_vec();
            stream.push(kind);
            stream.resize(HEADER_LENGTH + MAX_GUEST_PAYLOAD as usize, fill);
            let used = peak_of(|| {
                let mut decoder = Decoder::of_guest();
                flood(&mut decoder, stream.len(), |position| {
                    *stream.get(position).unwrap_or(&0)
                });
            });
            assert!(
                used <= 2 * limit,
                "kind {kind} full of {fill:#x} takes {used} bytes"
            );
        }
    }

    // A length that is too large costs nothing.
    let used = peak_of(|| {
        let mut decoder = Decoder::of_host();
        let header = [&(MAX_HOST_PAYLOAD + 1).to_le_bytes()[..], &[130]].concat();
        decoder.space()[..header.len()].copy_from_slice(&header);
        decoder.filled(header.len());
        assert!(decoder.next_from_host().is_err());
    });
    assert!(used <= limit, "a frame that is too long takes {used} bytes");
}
