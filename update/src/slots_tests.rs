//! A model of the boot loader and of a disk that can lose power at every step.

use proptest::prelude::*;

use super::*;
use crate::bundle::Part;

fn manifest(release: u64) -> Manifest {
    let part = Part {
        length: 1,
        sha256: "0".repeat(64),
    };
    Manifest {
        release,
        version: "1".into(),
        architecture: ARCHITECTURE.into(),
        from_release: 0,
        root_hash: "0".repeat(64),
        boot: part.clone(),
        root: part,
    }
}

/// What a slot's partitions hold.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Content {
    Half,
    Whole { release: u64, boots: bool },
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Power on, and stay on for long enough to be marked good, or not.
    Boot {
        healthy: bool,
    },
    /// Install, with the power cut after this many steps (4: not at all).
    Install {
        newer: bool,
        boots: bool,
        cut_after: u8,
    },
    RollBack,
}

struct Disk {
    environment: Environment,
    content: [Content; 2],
    running: Slot,
}

impl Disk {
    fn new() -> Self {
        let mut environment = Environment::default();
        for (name, value) in [
            ("first", "a"),
            ("tries_a", "3"),
            ("tries_b", "0"),
            ("ok_a", "0"),
            ("ok_b", "0"),
        ] {
            environment.set(name, value);
        }
        let content = [
            Content::Whole {
                release: 100,
                boots: true,
            },
            Content::Half,
        ];
        Self {
            environment,
            content,
            running: Slot::A,
        }
    }

    /// As the boot loader's configuration does it, until a slot comes up. `None`: none does.
    fn boot(&mut self) -> Option<Slot> {
        for _ in 0..8 {
            let mut state = State::of(&self.environment, Slot::A);
            let first = state.first;
            if state.slot(first).tries == 0 && state.slot(first.other()).good {
                state.first = first.other();
                state.slots[state.first.place()].tries = TRIES;
            }
            let slot = state.first;
            let tries = &mut state.slots[slot.place()].tries;
            *tries = tries.saturating_sub(1);
            state.put(&mut self.environment);
            match self.content[slot.place()] {
                Content::Half => panic!("a slot that is not whole was booted"),
                Content::Whole { boots: true, .. } => {
                    self.running = slot;
                    return Some(slot);
                }
                Content::Whole { boots: false, .. } => {}
            }
        }
        None
    }

    fn state(&self) -> State {
        let mut state = State::of(&self.environment, self.running);
        state.introduce(100, "0");
        state
    }

    fn put(&mut self, state: &State) {
        state.put(&mut self.environment);
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<bool>().prop_map(|healthy| Step::Boot { healthy }),
        (any::<bool>(), any::<bool>(), 0..5u8).prop_map(|(newer, boots, cut_after)| {
            Step::Install {
                newer,
                boots,
                cut_after,
            }
        }),
        Just(Step::RollBack),
    ]
}

fn apply(disk: &mut Disk, step: Step) {
    let mut state = disk.state();
    match step {
        Step::Boot { healthy } => {
            disk.boot().expect("no slot comes up");
            if healthy {
                let mut state = disk.state();
                state.mark_good();
                disk.put(&state);
            }
        }
        Step::Install {
            newer,
            boots,
            cut_after,
        } => {
            let release = if newer {
                state.floor + 1
            } else {
                state.floor.saturating_sub(1)
            };
            let refused = state
                .may_begin()
                .and_then(|()| state.takes(&manifest(release)));
            assert!(newer || refused.is_err(), "an older release was taken");
            if refused.is_err() || cut_after == 0 {
                return;
            }
            state.begin();
            disk.put(&state);
            if cut_after == 1 {
                return;
            }
            let other = state.running.other();
            disk.content[other.place()] = Content::Half;
            if cut_after == 2 {
                return;
            }
            disk.content[other.place()] = Content::Whole { release, boots };
            if cut_after == 3 {
                return;
            }
            state.finish(&manifest(release));
            disk.put(&state);
        }
        Step::RollBack => {
            if state.roll_back().is_ok() {
                disk.put(&state);
            }
        }
    }
}

proptest! {
    /// Whatever is ordered and whenever the power goes: a whole slot comes up, and
    /// what it is said to hold is what it holds.
    #[test]
    fn a_whole_slot_always_comes_up(steps in proptest::collection::vec(step(), 0..40)) {
        let mut disk = Disk::new();
        disk.boot().unwrap();
        for step in steps {
            apply(&mut disk, step);
            for slot in Slot::ALL {
                let known = disk.state().slot(slot).clone();
                if let (Content::Whole { release, .. }, true) = (disk.content[slot.place()], known.release > 0) {
                    prop_assert_eq!(known.release, release);
                }
                prop_assert!(!known.good || known.release <= disk.state().floor);
            }
        }
        disk.boot().expect("no slot comes up");
    }
}

/// A disk that has been up for a while, with this other slot.
fn settled() -> Disk {
    let mut disk = Disk::new();
    apply(&mut disk, Step::Boot { healthy: true });
    disk
}

#[test]
fn an_update_that_does_not_boot_is_left_after_three_tries() {
    let mut disk = settled();
    apply(
        &mut disk,
        Step::Install {
            newer: true,
            boots: false,
            cut_after: 4,
        },
    );
    assert_eq!(disk.state().first, Slot::B);
    assert_eq!(disk.boot(), Some(Slot::A));
    let state = disk.state();
    assert_eq!(
        (
            state.first,
            state.slot(Slot::B).tries,
            state.slot(Slot::B).good
        ),
        (Slot::A, 0, false)
    );
    assert_eq!(state.clone().roll_back(), Err(No::NothingThere(Slot::B)));
    assert_eq!(state.floor, 100, "what never ran well raises no floor");
}

#[test]
fn an_update_that_comes_up_but_is_never_healthy_is_left_too() {
    let mut disk = settled();
    apply(
        &mut disk,
        Step::Install {
            newer: true,
            boots: true,
            cut_after: 4,
        },
    );
    let booted: Vec<_> = (0..4).map(|_| disk.boot().unwrap()).collect();
    assert_eq!(booted, [Slot::B, Slot::B, Slot::B, Slot::A]);
}

#[test]
fn a_rollback_goes_to_what_was_good_and_back() {
    let mut disk = settled();
    apply(
        &mut disk,
        Step::Install {
            newer: true,
            boots: true,
            cut_after: 4,
        },
    );
    apply(&mut disk, Step::Boot { healthy: true });
    for expected in [Slot::A, Slot::B] {
        apply(&mut disk, Step::RollBack);
        assert_eq!(disk.boot(), Some(expected));
    }
    assert_eq!(disk.state().floor, 101);
}

#[test]
fn each_refusal_has_its_reason() {
    let mut state = State::of(&Environment::default(), Slot::A);
    assert_eq!(
        (state.first, state.may_begin()),
        (Slot::A, Err(No::Unproven(Slot::A)))
    );
    state.introduce(100, "0.1.0");
    state.mark_good();
    assert_eq!(state.may_begin(), Ok(()));
    let check = |change: fn(&mut Manifest), expected| {
        let mut manifest = manifest(100);
        change(&mut manifest);
        assert_eq!(state.takes(&manifest), expected);
    };
    check(|_| {}, Ok(()));
    check(
        |manifest| manifest.release = 99,
        Err(No::Older {
            release: 99,
            floor: 100,
        }),
    );
    check(
        |manifest| manifest.from_release = 101,
        Err(No::Leap {
            from: 101,
            running: 100,
        }),
    );
    check(
        |manifest| manifest.architecture = "riscv64".into(),
        Err(No::Architecture("riscv64".into())),
    );
}

#[test]
fn the_longest_values_fit_into_the_first_sector() {
    let mut environment = Environment::default();
    let mut state = State::of(&environment, Slot::A);
    for slot in &mut state.slots {
        *slot = Known {
            tries: 3,
            good: true,
            release: u64::MAX,
            version: "x".repeat(32),
        };
    }
    state.floor = u64::MAX;
    state.put(&mut environment);
    environment.set("of_another", &"y".repeat(300));
    let block = environment.encode(&VARIABLES).unwrap();
    let read = State::of(&Environment::decode(&block).unwrap(), Slot::A);
    assert_eq!(read, state);
}
