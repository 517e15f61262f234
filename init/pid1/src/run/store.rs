//! Sockets that a service has given to PID 1 to keep (sd_notify's `FDSTORE=1`):
//! the service's next process gets them back, and its clients, who wait in the
//! sockets' queues meanwhile, do not notice.

use std::os::fd::OwnedFd;

use aios_service::notify::let_go;
use rustix::net::sockopt;

/// Sockets kept for one service.
pub const STORE_MAX: usize = 16;

/// What one service has stored, in its order.
#[derive(Default)]
pub struct Store(Vec<(String, OwnedFd)>);

impl Store {
    /// Keeps sockets under a name; one that is kept already is not kept twice.
    ///
    /// # Errors
    /// Why some or all of them are not kept. Those are closed.
    pub fn keep(&mut self, name: &str, descriptors: Vec<OwnedFd>) -> Result<(), String> {
        let mut refused = Ok(());
        for descriptor in descriptors {
            if sockopt::socket_type(&descriptor).is_err() {
                // Whoever closes a file last may have to wait for its file system.
                refused = Err(format!("{name} is no socket"));
                let_go(descriptor);
            } else if self.0.iter().any(|(_, kept)| is_same(kept, &descriptor)) {
                let_go(descriptor);
            } else if self.0.len() >= STORE_MAX {
                refused = Err(format!("{name} is one too many: {STORE_MAX} are kept"));
                let_go(descriptor);
            } else {
                self.0.push((name.to_owned(), descriptor));
            }
        }
        refused
    }

    /// Lets go of all sockets of this name.
    pub fn forget(&mut self, name: &str) {
        let all = std::mem::take(&mut self.0);
        for (own, descriptor) in all {
            if own == name {
                let_go(descriptor);
            } else {
                self.0.push((own, descriptor));
            }
        }
    }

    /// Lets go of all.
    pub fn clear(&mut self) {
        for (_, descriptor) in self.0.drain(..) {
            let_go(descriptor);
        }
    }

    /// What is kept.
    pub fn entries(&self) -> &[(String, OwnedFd)] {
        &self.0
    }
}

fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let id = |of| rustix::fs::fstat(of).map(|stat| (stat.st_dev, stat.st_ino));
    matches!((id(one), id(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> OwnedFd {
        std::os::unix::net::UnixDatagram::unbound().unwrap().into()
    }

    #[test]
    fn a_store_is_bounded_and_keeps_each_socket_once() {
        let mut store = Store::default();
        let first = socket();
        store.keep("a", vec![first.try_clone().unwrap()]).unwrap();
        store.keep("a", vec![first]).unwrap();
        assert_eq!(store.entries().len(), 1);
        let many = (0..STORE_MAX).map(|_| socket()).collect();
        assert!(store.keep("b", many).unwrap_err().contains("one too many"));
        assert_eq!(store.entries().len(), STORE_MAX);
        store.forget("b");
        assert_eq!(store.entries().len(), 1);
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(store.keep("c", vec![file.into()]).is_err());
        store.clear();
        assert!(store.entries().is_empty());
    }
}
