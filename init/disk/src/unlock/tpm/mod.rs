//! A secret sealed by a TPM 2.0, to the machine's PCR 7 and to that TPM.
//!
//! 1. Five commands to seal and five to unseal (Trusted Platform Module Library, Part 3:
//!    Commands), over the kernel's resource manager, which forgets all sessions and
//!    objects of ours when the device is closed. Why not tpm2-tools: docs/dependencies.md.
//! 2. The parent is made anew each time from the owner hierarchy's seed: the same on this TPM,
//!    another on every other and after it was cleared. Nothing is stored in the TPM.
//! 3. The secret travels unencrypted between a TPM of its own and the processor: who can
//!    listen on that bus reads it (docs/security.md).

mod error;
mod wire;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

pub use error::Error;
use wire::{Reader, SIZE_MAX, Writer};

/// The kernel's resource manager of the first TPM.
pub const DEVICE: &str = "/dev/tpmrm0";

/// TPM_ST (Part 2, 6.9).
const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;
/// TPM_RH and TPM_RS (Part 2, 7.4).
const OWNER: u32 = 0x4000_0001;
const NOBODY: u32 = 0x4000_0007;
const PASSWORD: u32 = 0x4000_0009;
/// TPM_ALG (Part 2, 6.3).
const AES: u16 = 0x0006;
const KEYED_HASH: u16 = 0x0008;
const SHA256: u16 = 0x000B;
const NULL: u16 = 0x0010;
const ECC: u16 = 0x0023;
const CFB: u16 = 0x0043;
/// TPM_SE (Part 2, 6.11).
const POLICY: u8 = 0x01;
const TRIAL: u8 = 0x03;
/// "Ask again": TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_RETRY (Part 2, 6.6.3).
const AGAIN: [u32; 3] = [0x908, 0x90A, 0x922];
/// A TPM that tests itself needs a second or two.
const ATTEMPTS: u32 = 100;
const PAUSE_MS: u64 = 50;

/// TPM_CC (Part 2, 6.5.2).
#[derive(Clone, Copy, Debug)]
enum Command {
    CreatePrimary = 0x131,
    Create = 0x153,
    Load = 0x157,
    Unseal = 0x15E,
    StartAuthSession = 0x176,
    PcrRead = 0x17E,
    PolicyPcr = 0x17F,
    PolicyGetDigest = 0x189,
}

/// A secret that only the TPM which made this opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// TPM2B_PRIVATE's content, encrypted by the TPM.
    pub private: Vec<u8>,
    /// TPM2B_PUBLIC's content: what it is, and its policy.
    pub public: Vec<u8>,
}

/// Sends a command, gives back the answer.
pub trait Transport {
    /// # Errors
    /// The device's.
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>>;
}

impl<T: Read + Write> Transport for T {
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        // One write is one command, one read its answer (linux/drivers/char/tpm/tpm-dev-common.c).
        self.write_all(command)?;
        let mut answer = vec![0; SIZE_MAX];
        let length = self.read(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    }
}

/// A TPM.
pub struct Tpm<T>(T);

/// Opens the machine's TPM.
///
/// # Errors
/// There is none.
pub fn open(device: &Path) -> Result<Tpm<File>, Error> {
    Ok(Tpm(File::options().read(true).write(true).open(device)?))
}

impl<T: Transport> Tpm<T> {
    /// Over this transport.
    #[cfg(test)]
    pub fn over(transport: T) -> Self {
        Self(transport)
    }

    /// Seals up to 128 bytes.
    ///
    /// # Errors
    /// What the TPM did not do.
    pub fn seal(&mut self, secret: &[u8]) -> Result<Sealed, Error> {
        self.check_pcr()?;
        let session = self.start(TRIAL)?;
        self.bind(session)?;
        let body = Writer::default().u32(session);
        let digest = self.ask(Command::PolicyGetDigest, NO_SESSIONS, body)?;
        let policy = read(Command::PolicyGetDigest, &digest, |answer| {
            answer.sized().filter(|digest| digest.len() == 32)
        })?;
        let parent = self.parent()?;
        let body = authorised(parent, PASSWORD)
            .sized(&Writer::default().sized(&[]).sized(secret).0)
            .sized(&sealed_object(policy))
            .sized(&[]) // outsideInfo
            .u32(0); // creationPCR
        let answer = self.ask(Command::Create, SESSIONS, body)?;
        read(Command::Create, &answer, |answer| {
            let mut answer = answer.parameters()?;
            let private = answer.sized()?.to_vec();
            let public = answer.sized()?.to_vec();
            Some(Sealed { private, public })
        })
    }

    /// The secret.
    ///
    /// # Errors
    /// It was sealed by another TPM, or PCR 7 is another; or what else the TPM did not do.
    pub fn unseal(&mut self, sealed: &Sealed) -> Result<Vec<u8>, Error> {
        let parent = self.parent()?;
        let body = authorised(parent, PASSWORD)
            .sized(&sealed.private)
            .sized(&sealed.public);
        let answer = self.ask(Command::Load, SESSIONS, body)?;
        let object = read(Command::Load, &answer, Reader::u32)?;
        let session = self.start(POLICY)?;
        self.bind(session)?;
        let answer = self.ask(Command::Unseal, SESSIONS, authorised(object, session))?;
        read(Command::Unseal, &answer, |answer| {
            let mut answer = answer.parameters()?;
            let secret = answer.sized().filter(|secret| !secret.is_empty())?;
            answer.0.is_empty().then(|| secret.to_vec())
        })
    }

    /// A bank of PCRs that is not there would make a policy that binds to nothing.
    fn check_pcr(&mut self) -> Result<(), Error> {
        let answer = self.ask(Command::PcrRead, NO_SESSIONS, selection(Writer::default()))?;
        read(Command::PcrRead, &answer, |answer| {
            answer.u32()?; // pcrUpdateCounter
            let selected = answer.take(selection(Writer::default()).0.len())?;
            let same = selected == selection(Writer::default()).0;
            let one = answer.u32()? == 1 && answer.sized()?.len() == 32;
            (same && one).then_some(())
        })
    }

    fn start(&mut self, kind: u8) -> Result<u32, Error> {
        let nonce: [u8; 16] = super::random()?;
        let body = Writer::default()
            .u32(NOBODY) // not salted
            .u32(NOBODY) // not bound
            .sized(&nonce)
            .sized(&[])
            .u8(kind)
            .u16(NULL)
            .u16(SHA256);
        let answer = self.ask(Command::StartAuthSession, NO_SESSIONS, body)?;
        read(Command::StartAuthSession, &answer, Reader::u32)
    }

    /// The policy: PCR 7 as it is now.
    fn bind(&mut self, session: u32) -> Result<(), Error> {
        let body = selection(Writer::default().u32(session).sized(&[]));
        self.ask(Command::PolicyPcr, NO_SESSIONS, body).map(drop)
    }

    /// A storage key on P-256, the template that everybody uses (TCG TPM v2.0 Provisioning Guidance, 7.5.1).
    fn parent(&mut self) -> Result<u32, Error> {
        const ATTRIBUTES: u32 = 0x0003_0472; // fixedTPM fixedParent sensitiveDataOrigin userWithAuth noDA restricted decrypt
        const P256: u16 = 0x0003;
        let public = Writer::default()
            .u16(ECC)
            .u16(SHA256)
            .u32(ATTRIBUTES)
            .sized(&[])
            .u16(AES)
            .u16(128)
            .u16(CFB)
            .u16(NULL)
            .u16(P256)
            .u16(NULL)
            .sized(&[])
            .sized(&[]);
        let body = authorised(OWNER, PASSWORD)
            .sized(&[0; 4]) // no password, no data
            .sized(&public.0)
            .sized(&[])
            .u32(0);
        let answer = self.ask(Command::CreatePrimary, SESSIONS, body)?;
        read(Command::CreatePrimary, &answer, Reader::u32)
    }

    /// The answer's bytes, after a code that says that it was done.
    fn ask(&mut self, command: Command, tag: u16, body: Writer) -> Result<Vec<u8>, Error> {
        let name = || format!("{command:?}");
        let length = u32::try_from(body.0.len() + 10).unwrap_or(u32::MAX);
        let bytes = Writer::default()
            .u16(tag)
            .u32(length)
            .u32(command as u32)
            .bytes(&body.0);
        for _ in 0..ATTEMPTS {
            let answer = self.0.exchange(&bytes.0)?;
            let (code, rest) = wire::answer(&answer).ok_or_else(|| Error::Nonsense(name()))?;
            match code {
                0 => return Ok(rest.0.to_vec()),
                code if AGAIN.contains(&code) => aios_service::time::pause(PAUSE_MS),
                code => {
                    let command = name();
                    return Err(Error::Refused { command, code });
                }
            }
        }
        Err(Error::Device(io::ErrorKind::TimedOut.into()))
    }
}

/// A handle, and one session that stands for it, without a nonce, a continuation or a password.
fn authorised(handle: u32, session: u32) -> Writer {
    let area = Writer::default().u32(session).u16(0).u8(0).u16(0);
    let length = u32::try_from(area.0.len()).unwrap_or(0);
    Writer::default().u32(handle).u32(length).bytes(&area.0)
}

/// TPML_PCR_SELECTION: PCR 7 of the bank of SHA-256.
fn selection(writer: Writer) -> Writer {
    writer.u32(1).u16(SHA256).u8(3).bytes(&[1 << 7, 0, 0])
}

/// TPMT_PUBLIC of data: opened by this policy only, by this TPM only.
fn sealed_object(policy: &[u8]) -> Vec<u8> {
    const ATTRIBUTES: u32 = 0x0000_0412; // fixedTPM fixedParent noDA
    let object = Writer::default()
        .u16(KEYED_HASH)
        .u16(SHA256)
        .u32(ATTRIBUTES);
    object.sized(policy).u16(NULL).sized(&[]).0
}

fn read<'a, R>(
    command: Command,
    answer: &'a [u8],
    parse: impl FnOnce(&mut Reader<'a>) -> Option<R>,
) -> Result<R, Error> {
    parse(&mut Reader(answer)).ok_or_else(|| Error::Nonsense(format!("{command:?}")))
}

#[cfg(test)]
mod tests;
