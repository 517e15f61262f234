//! What the event loop has to do with the machine itself: power button and
//! watchdog. In a container: nothing.

use std::fs::File;
use std::os::fd::OwnedFd;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::power_button;
use super::watchdog::Watchdog;
use aios_service::manifest::Way;
use aios_service::supervise::Millis;

/// The buttons' numbers as epoll sources begin here, far beyond the services'.
pub const BUTTONS: u64 = 1 << 32;

/// The machine's own devices.
#[derive(Default)]
pub struct Hardware {
    buttons: Vec<Option<File>>,
    watchdog: Option<Watchdog>,
}

impl Hardware {
    /// Opens them, and arms the watchdog.
    pub fn open(way: Way, now: Millis, epoll: &Epoll) -> Self {
        if way == Way::Container {
            return Self::default();
        }
        let watched = |(place, button): (u64, File)| {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, BUTTONS + place);
            epoll.add(&button, event).is_ok().then_some(button)
        };
        Self {
            buttons: (0..).zip(power_button::open()).map(watched).collect(),
            watchdog: Watchdog::open(now),
        }
    }

    /// What is there, for the log.
    pub fn description(&self) -> String {
        let watchdog = self.watchdog.as_ref().map_or("none", Watchdog::name);
        let buttons = self.buttons.iter().flatten().count();
        format!("power buttons: {buttons}, watchdog: {watchdog}")
    }

    /// Was it the power button?
    pub fn pressed(&mut self, source: u64) -> bool {
        let place = usize::try_from(source.saturating_sub(BUTTONS)).unwrap_or(usize::MAX);
        let Some(button) = self.buttons.get_mut(place) else {
            return false;
        };
        match button.as_ref().map(power_button::was_pressed) {
            Some(Ok(pressed)) => pressed,
            // Gone: dropped, which takes it out of epoll, or it would wake us for ever.
            _ => {
                *button = None;
                false
            }
        }
    }

    /// Feeds the watchdog when it is time.
    pub fn tend(&mut self, now: Millis) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.feed(now);
        }
    }

    /// When there is something to do next.
    pub fn deadline(&self) -> Option<Millis> {
        self.watchdog.as_ref().and_then(Watchdog::deadline)
    }

    /// The system ends: from now on the watchdog limits how long that takes.
    pub fn begin_end(&mut self) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.begin_end();
        }
    }

    /// The armed watchdog, for whoever ends the machine.
    pub fn watchdog(&mut self) -> Option<OwnedFd> {
        self.watchdog.take().map(Watchdog::keep)
    }
}
