//! `net.download`: a file from a web server into a file of this machine.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use ureq::http::Method;

use super::client::{self, Answer, Refusal};
use super::reach;
use crate::fs::put;
use aios_tool::argument::{Digest, Url, Whole, WritePath, defaulted};
use aios_tool::file::WRITING;
use aios_tool::file::install::{self, Replace};
use aios_tool::file::meta::Meta;
use aios_tool::file::place::Place;
use aios_tool::file::state::{State, hex};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// The tool `net.download`.
pub struct Download;

/// One MiB, in bytes.
const MIB: u64 = 1024 * 1024;
/// So much is taken when nothing else is said: what a caller waits for, and what undo can keep.
const SIZE_MAX: Whole<1, 4096> = Whole::of(256);
/// Less than the tool's deadline, so that the error says what was waited for.
const TIMEOUT: Duration = Duration::from_secs(570);
/// What is read at a time, in bytes.
const CHUNK: usize = 64 * 1024;

arguments! {
    /// Arguments of `net.download`.
    pub struct Input {
        /// Address of the file, `https://…` or `http://…`.
        pub url: Url,
        /// Absolute path of the file to write. Its folder must exist.
        pub path: WritePath,
        /// SHA-256 that the content must have, 64 hex digits. Default: it is not checked.
        pub sha256: Option<Digest>,
        /// The largest size in MiB, from 1 to 4096. Default: 256.
        pub size_max_mib: Option<Whole<1, 4096>>,
    }
}

/// What was written.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// The address that answered, after redirects.
    pub url: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// The file was not there before.
    pub created: bool,
    /// It was set-user-ID or set-group-ID, or had capabilities, and with its new content is not.
    pub privileges_dropped: bool,
    /// Time it took, in milliseconds.
    pub elapsed_ms: u64,
}

impl Tool for Download {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "net.download",
            "Downloads a file from a web server into a file of this machine.",
        )
        .risk(Risk::Medium)
        .timeout_ms(600_000)
        .kernel(WRITING)
        .reading_the_machine()
        .example(json!({
            "url": "https://example.org/data.csv", "path": "/srv/data.csv", "size_max_mib": 10
        }))
    }

    fn complete(input: &mut Input) {
        input.size_max_mib.get_or_insert(SIZE_MAX);
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let Some(digest) = &mut input.sha256 else {
            return Ok(());
        };
        let lower = digest.as_str().to_ascii_lowercase();
        if lower.len() != 64 || !lower.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ToolError::Invalid("sha256: must be 64 hex digits".into()));
        }
        *digest = Digest::of(lower);
        Ok(())
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let checked = match input.sha256 {
            Some(_) => "as was asked for",
            None => "not compared with anything",
        };
        let what = if output.created { "new" } else { "replaced" };
        format!(
            "{} is downloaded from {} ({}, {what}, in {} ms); its SHA-256 {} is {checked}{}",
            output.path,
            output.url,
            format::bytes(output.size),
            output.elapsed_ms,
            output.sha256,
            put::dropped(output.privileges_dropped)
        )
    }
}

impl Change for Download {
    fn effect() -> Effect {
        Effect::of(
            "the file has the content that was downloaded, with its SHA-256",
            &["download", "fetch", "get"],
        )
        .undone_by(Undo::Files)
    }

    fn preview(input: &Input, _context: &Context) -> Result<Preview, ToolError> {
        put::may_be_written(&input.path)?;
        let place = input.path.place()?;
        let before = State::of(&place)?;
        if let (Some(digest), State::File { sha256, .. }) = (&input.sha256, &before)
            && digest.as_str() == sha256
        {
            return Ok(Preview::default());
        }
        let what = match &input.sha256 {
            Some(digest) => format!("with SHA-256 {digest}"),
            None => "whatever it is".to_owned(),
        };
        let after = format!(
            "what {} answers, {what}, at most {}",
            input.url,
            format::bytes(size_max(input)?)
        );
        let now = Foreseen::at(input.path.as_str(), &before, &before);
        Ok(Foreseen::of(input.path.as_str(), &now.before, &after).into())
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        put::may_be_written(&input.path)?;
        capture.keep(&input.path)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        download(input, context, reach::refusal)
    }

    fn verify(input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        match State::of(&input.path.place()?)? {
            State::File { sha256, .. } if sha256 == output.sha256 => Ok(()),
            _ => Err(ToolError::Unverified(format!(
                "{} has other content than was downloaded",
                input.path
            ))),
        }
    }
}

fn size_max(input: &Input) -> Result<u64, ToolError> {
    Ok(defaulted(&input.size_max_mib)?.get().unsigned_abs() * MIB)
}

fn download(input: &Input, context: &Context, refusal: Refusal) -> Result<Output, ToolError> {
    let began = Instant::now();
    put::may_be_written(&input.path)?;
    let size_max = size_max(input)?;
    let url = input.url.as_str();
    let (url, answer) = client::open(url, Method::GET, TIMEOUT, context, refusal)?;
    may_be_taken(&url.to_string(), &answer, size_max)?;
    let place = input.path.place()?;
    let (mut meta, created) = meta(&place, context)?;
    let privileges_dropped = meta.drop_privileges();
    let replace = if created { Replace::No } else { Replace::Yes };
    let mut taken = None;
    let mut refused = None;
    let installed = install::install(&place, context.execution(), &meta, replace, |file| {
        let found = take(answer, file, size_max, context)?;
        if let Some(why) = mismatch(input, &found) {
            refused = Some(why);
            return Err(io::Error::other("not as was asked for"));
        }
        taken = Some(found);
        Ok(())
    });
    if let Some(why) = refused {
        return Err(ToolError::Precondition(format!(
            "{url}: {why}; nothing was changed"
        )));
    }
    installed?;
    let (size, sha256) = taken.unwrap_or_default();
    Ok(Output {
        path: input.path.to_string(),
        url: url.to_string(),
        size,
        sha256,
        created,
        privileges_dropped,
        elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// What the file is to have beside its content, and whether it is new.
fn meta(place: &Place, context: &Context) -> Result<(Meta, bool), ToolError> {
    if place.stat()?.is_none() {
        return Ok((Meta::new(0o644, context.owner()), true));
    }
    let (_, mut meta) = Meta::read(place, &place.hold()?)?;
    meta.times = None;
    Ok((meta, false))
}

/// Refuses an answer that is no file, or says that it is too large.
fn may_be_taken(url: &str, answer: &Answer, size_max: u64) -> Result<(), ToolError> {
    let refuse = |why: String| Err(ToolError::Precondition(format!("{url} {why}")));
    let status = answer.status();
    if !status.is_success() {
        return refuse(format!("answered {}; nothing was changed", status.as_u16()));
    }
    match answer.body().content_length() {
        Some(size) if size > size_max => refuse(format!(
            "has {}, more than {}; size_max_mib allows more",
            format::bytes(size),
            format::bytes(size_max)
        )),
        _ => Ok(()),
    }
}

/// Writes the body into the file: its size and its SHA-256.
fn take(
    answer: Answer,
    file: &mut File,
    size_max: u64,
    context: &Context,
) -> io::Result<(u64, String)> {
    let mut body = answer.into_body().into_reader();
    let mut chunk = vec![0; CHUNK];
    let (mut size, mut digest) = (0, Sha256::new());
    loop {
        let read = body.read(&mut chunk)?;
        let Some(part @ [_, ..]) = chunk.get(..read) else {
            return Ok((size, hex(&digest.finalize())));
        };
        size += part.len() as u64;
        if size > size_max {
            let most = format::bytes(size_max);
            return Err(io::Error::other(format!(
                "it is larger than {most}; size_max_mib allows more"
            )));
        }
        if context.remaining().is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the time is over"));
        }
        digest.update(part);
        file.write_all(part)?;
    }
}

/// Why what came is not what was asked for.
fn mismatch(input: &Input, (_, found): &(u64, String)) -> Option<String> {
    let wanted = input.sha256.as_ref()?;
    (wanted.as_str() != found)
        .then(|| format!("its SHA-256 is {found}, and {wanted} was asked for"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http_request::test_server;
    use crate::trial;
    use aios_tool::tool::change;
    use std::path::Path;

    const WELCOME: &str = "280d44ab1e9f79b5cce2dd4f58f5fe91f0fbacdac9f7447dffc318ceb79f2d02";

    /// The state of tools is protected, so it is not where the file comes to be.
    fn state() -> &'static Path {
        Path::new("/nonexistent")
    }

    fn downloaded(arguments: serde_json::Value) -> Result<Output, ToolError> {
        let context = trial::context(state());
        let input = trial::input::<Download>(arguments, &context);
        let output = download(&input, &context, |_| None)?;
        Download::verify(&input, &output, &context)?;
        Ok(output)
    }

    #[test]
    fn a_file_is_downloaded_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        let server = test_server();
        let get = |page: &str, more: serde_json::Value| {
            let mut arguments = json!({"url": format!("{server}{page}"), "path": path});
            let more = more.as_object().unwrap().clone();
            arguments.as_object_mut().unwrap().extend(more);
            downloaded(arguments)
        };
        let refused = |page: &str, more, why: &str| {
            let before = std::fs::read(&path).ok();
            let said = get(page, more).unwrap_err().to_string();
            assert!(said.contains(why), "{page}: {said}");
            assert_eq!(std::fs::read(&path).ok(), before);
            assert_eq!(
                folder.path().read_dir().unwrap().count(),
                usize::from(before.is_some()),
                "{page} left something"
            );
        };
        refused("/none", json!({}), "answered 404");
        refused("/away", json!({}), "not followed");
        refused("/", json!({"sha256": "0".repeat(64)}), "was asked for");
        let done = get("/moved", json!({"sha256": WELCOME.to_uppercase()})).unwrap();
        assert_eq!((done.size, done.created), (7, true));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "welcome");
        // Without a length, and with one, more than may be.
        refused("/large", json!({"size_max_mib": 1}), "larger than 1");
        refused("/said", json!({"size_max_mib": 1}), "more than 1");
        let large = get("/large", json!({})).unwrap();
        assert_eq!((large.size, large.created), (3_000_000, false));
    }

    #[test]
    fn this_machine_is_not_downloaded_from_and_a_digest_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        let call = |arguments| {
            let tool = change::<Download>();
            trial::call_in(tool.as_ref(), arguments, state())
        };
        let refused = call(json!({"url": test_server(), "path": path})).unwrap_err();
        assert!(
            matches!(&refused, ToolError::Denied(why) if why.contains("this machine itself")),
            "{refused:?}"
        );
        assert!(!path.exists());
        let refused = call(json!({"url": "http://a/", "path": path, "sha256": "x"})).unwrap_err();
        assert!(matches!(refused, ToolError::Invalid(_)), "{refused:?}");
    }

    #[test]
    fn the_preview_says_where_from_and_where_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        let arguments = json!({"url": "https://a.b/c", "path": path, "sha256": WELCOME});
        let context = trial::context(state());
        let tool = change::<Download>();
        let preview = || {
            let prepared = trial::prepare(tool.as_ref(), arguments.clone(), state());
            prepared.unwrap().call.preview(&context).unwrap()
        };
        let said = preview().summary();
        assert!(
            said.contains(&format!(
                "absent → what https://a.b/c answers, with SHA-256 {WELCOME}"
            )),
            "{said}"
        );
        std::fs::write(&path, "welcome").unwrap();
        assert_eq!(preview().summary(), "nothing would change");
    }
}
