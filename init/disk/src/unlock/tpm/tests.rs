//! Against the emulator that the machine tests use too, and against one that lies.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command as Program, Stdio};

use super::*;

/// An emulated TPM, with this folder as its memory.
struct Emulator(Child, PathBuf);

impl Emulator {
    fn start(folder: &Path) -> Self {
        let socket = |name: &str| folder.join(name).display().to_string();
        let child = Program::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", folder.display())])
            .args(["--ctrl", &format!("type=unixio,path={}", socket("ctrl"))])
            .args(["--server", &format!("type=unixio,path={}", socket("tpm"))])
            .stdin(Stdio::null())
            .spawn()
            .expect("swtpm, which `cargo xtask test` installs");
        Self(child, folder.join("tpm"))
    }

    fn connect(&self) -> UnixStream {
        for _ in 0..500 {
            if let Ok(stream) = UnixStream::connect(&self.1) {
                return stream;
            }
            aios_service::time::pause(20);
        }
        panic!("swtpm does not listen");
    }

    /// As the kernel's resource manager gives it: without anybody's objects and sessions.
    fn tpm(&self) -> Tpm<UnixStream> {
        let mut stream = self.connect();
        for handle in [
            0x8000_0000,
            0x8000_0001,
            0x8000_0002,
            0x0200_0000,
            0x0300_0000,
        ] {
            let flush = Writer::default().u16(NO_SESSIONS).u32(14).u32(0x165);
            stream.exchange(&flush.u32(handle).0).unwrap();
        }
        Tpm::over(stream)
    }

    /// Changes PCR 7 (TPM2_PCR_Extend), as another Secure Boot state would.
    fn extend_pcr_7(&self) {
        let body = authorised(7, PASSWORD).u32(1).u16(SHA256).bytes(&[1; 32]);
        let length = u32::try_from(body.0.len() + 10).unwrap();
        let command = Writer::default().u16(SESSIONS).u32(length).u32(0x182);
        let mut stream = self.connect();
        let answer = stream.exchange(&command.bytes(&body.0).0).unwrap();
        assert_eq!(wire::answer(&answer).map(|(code, _)| code), Some(0));
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_secret_is_opened_by_the_tpm_that_sealed_it_in_the_state_in_which_it_did() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let emulator = Emulator::start(one.path());
    let secret: [u8; 32] = super::super::random().unwrap();
    let sealed = emulator.tpm().seal(&secret).unwrap();
    assert_eq!(emulator.tpm().unseal(&sealed).unwrap(), secret);
    drop(emulator);

    let emulator = Emulator::start(one.path());
    assert_eq!(
        emulator.tpm().unseal(&sealed).unwrap(),
        secret,
        "after a restart"
    );
    emulator.extend_pcr_7();
    let refused = emulator.tpm().unseal(&sealed).unwrap_err().to_string();
    assert!(refused.contains("PCR 7 is not what it was"), "{refused}");
    drop(emulator);

    let refused = Emulator::start(other.path()).tpm().unseal(&sealed);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("another TPM's"), "{refused}");

    let mut damaged = sealed;
    damaged.private[20] ^= 1;
    let emulator = Emulator::start(one.path());
    assert!(emulator.tpm().unseal(&damaged).is_err());
}

/// Gives the answers in turn, then the last again and again.
struct Liar(Vec<Vec<u8>>, usize);

impl Transport for Liar {
    fn exchange(&mut self, _: &[u8]) -> io::Result<Vec<u8>> {
        self.1 += 1;
        Ok(self.0[(self.1 - 1).min(self.0.len() - 1)].clone())
    }
}

#[test]
fn whatever_a_tpm_answers_nothing_panics_or_counts_as_a_secret() {
    let good = |body: &[u8]| {
        let length = u32::try_from(body.len() + 10).unwrap();
        Writer::default()
            .u16(SESSIONS)
            .u32(length)
            .u32(0)
            .bytes(body)
            .0
    };
    let cases = [
        vec![],
        vec![0x80],
        vec![0xff; 10],
        vec![0xff; SIZE_MAX],
        good(&[]),
        good(&[0; 3]),
        good(&[0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xff]), // a buffer longer than the answer
        good(&[0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 1]),
        good(&[0, 0, 0, 3, 0, 2, 1]), // one longer than the parameters
        good(&[0, 0, 0, 2, 0, 0, 1, 1]),
    ];
    let sealed = Sealed {
        private: vec![1; 100],
        public: vec![2; 100],
    };
    for case in cases {
        let liar = || Tpm::over(Liar(vec![case.clone()], 0));
        assert!(liar().unseal(&sealed).is_err(), "{case:x?}");
        assert!(liar().seal(b"secret").is_err(), "{case:x?}");
    }
}

#[test]
fn a_bank_of_pcrs_that_is_not_there_is_not_bound_to() {
    let empty = Writer::default()
        .u16(NO_SESSIONS)
        .u32(22)
        .u32(0)
        .u32(7)
        .u32(0)
        .u32(0);
    let error = Tpm::over(Liar(vec![empty.0], 0))
        .seal(b"secret")
        .unwrap_err();
    assert!(error.to_string().contains("PcrRead"), "{error}");
}
