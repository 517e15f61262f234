//! `git.clone`: copies a repository from the web or from another folder.

use std::net::IpAddr;
use std::path::Path;

use super::repository::{self, Repository, short};
use crate::net::client::{self, Refusal};
use crate::net::reach;
use crate::program::Program;
use aios_tool::argument::{self, NewPath, Origin, bare_host};
use aios_tool::file::meta::Meta;
use aios_tool::file::{WRITING, must_be_free};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// The tool `git.clone`.
pub struct Act;

/// The shell of Debian.
const SHELLS: [&str; 3] = ["/usr/bin/sh", "/usr/bin/dash", "/usr/bin/bash"];

arguments! {
    /// Arguments of `git.clone`.
    pub struct Input {
        /// Where the repository is: an address that begins with https:// or http://, or the absolute path
        /// of a folder of this machine.
        pub source: Origin,
        /// Absolute path that the copy gets; nothing may be there, its folder must exist.
        pub destination: NewPath,
    }
}

/// The copy.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Where it is.
    pub repository: String,
    /// Where it came from.
    pub source: String,
    /// The branch that is checked out; absent when the repository has none.
    pub branch: Option<String>,
    /// Its last commit, hex; absent when the repository is empty.
    pub commit: Option<String>,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "git.clone",
            "Copies a git repository from an https address or a folder, with its history and without its submodules.",
        )
        .risk(Risk::Medium)
        .timeout_ms(900_000)
        .kernel(WRITING)
        .example(json!({"source": "https://example.org/app.git", "destination": "/srv/app"}))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            repository, source, ..
        } = output;
        match (&output.branch, &output.commit) {
            (Some(branch), Some(commit)) => {
                format!(
                    "{repository} is a copy of {source}, on {branch} at {}",
                    short(commit)
                )
            }
            _ => format!("{repository} is a copy of {source}, which has no commit"),
        }
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "the copy is a git repository with all that was sent",
            &["clone", "copy"],
        )
        .undone_by(Undo::Files)
        .not_idempotent()
    }

    fn preview(input: &Input, _context: &Context) -> Result<Preview, ToolError> {
        must_be_free(&input.destination.place()?)?;
        let after = format!("a git repository, copied from {}", input.source);
        Ok(Foreseen::of(&input.destination, "absent", &after).into())
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        must_be_free(&input.destination.place()?)?;
        capture.absent(&input.destination);
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let destination = input.destination.place()?;
        let folder = input.destination.to_path();
        let fault = |error: std::io::Error| ToolError::io(&input.destination, error);
        if context.is_resumed() && destination.stat()?.is_some() {
            return Err(ToolError::Precondition(format!(
                "{} is there: a call that was interrupted left it half made, or somebody made it \
                 meanwhile; delete it, then clone again",
                input.destination
            )));
        }
        must_be_free(&destination)?;
        rustix::fs::mkdirat(&destination.parent, &destination.name, 0o755.into())
            .map_err(|error| fault(error.into()))?;
        let cloned = Meta::new(0o755, context.owner())
            .apply(&destination)
            .and_then(|()| clone(input, &folder, context))
            .and_then(|()| look(input, context));
        if cloned.is_err() {
            std::fs::remove_dir_all(&folder).map_err(|left| {
                ToolError::Unverified(format!("{} is left half made: {left}", input.destination))
            })?;
        }
        cloned
    }

    fn verify(input: &Input, _output: &Output, context: &Context) -> Result<(), ToolError> {
        let folder = input.destination.to_path();
        let repository = Repository::at(&folder, context)?;
        repository
            .ask(&[
                "fsck",
                "--connectivity-only",
                "--no-dangling",
                "--no-progress",
            ])
            .map(drop)
    }
}

fn clone(input: &Input, folder: &Path, context: &Context) -> Result<(), ToolError> {
    let ended = program(input, folder, context, reach::refusal)?.run(context)?;
    repository::succeeded(&ended)
}

/// The clone into a folder that is there. Over the network, git gets the addresses that were looked up
/// and checked here, and follows no redirect: the grant was for that host.
fn program(
    input: &Input,
    folder: &Path,
    context: &Context,
    refusal: Refusal,
) -> Result<Program, ToolError> {
    let mut words = Vec::new();
    let (from_the_web, source) = match &input.source {
        Origin::Folder(path) => {
            words.extend(["-c", "protocol.file.allow=always"].map(str::to_owned));
            (false, path.to_path())
        }
        Origin::Web(url) => {
            let pinned = pinned(url.as_str(), context, refusal)?;
            words.extend(["-c".to_owned(), format!("http.curloptResolve={pinned}")]);
            let fixed = [
                "http.followRedirects=false",
                "http.proxy=",
                "http.emptyAuth=false",
                "protocol.http.allow=always",
                "protocol.https.allow=always",
                "transfer.bundleURI=false",
            ];
            words.extend(fixed.iter().flat_map(|one| ["-c", one]).map(str::to_owned));
            (true, url.as_str().into())
        }
    };
    let fixed = [
        "-c",
        "transfer.fsckObjects=true",
        "clone",
        "--quiet",
        "--no-hardlinks",
        "--no-recurse-submodules",
        "--template=",
        "--",
    ];
    words.extend(fixed.map(str::to_owned));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let program = repository::git(folder, &words)?
        .args([source.as_os_str(), ".".as_ref()])
        .changing_its_folder();
    Ok(if from_the_web {
        program.connected()
    } else {
        // git asks the other end through a shell, here too. It reads the source's configuration, and
        // runs nothing that this names (git-upload-pack(1), "SECURITY").
        program
            .reading(&source)
            .executing_only(SHELLS.map(Into::into))
    })
}

/// Host, port and addresses as curl takes them: `host:443:192.0.2.1,[2001:db8::1]`.
fn pinned(url: &str, context: &Context, refusal: Refusal) -> Result<String, ToolError> {
    let url = argument::address(url).map_err(|why| ToolError::Invalid(format!("source: {why}")))?;
    let addresses = client::addresses(&url, context, refusal)?;
    let host = bare_host(url.host().unwrap_or_default()).to_owned();
    Ok(resolve(&host, client::port(&url), &addresses))
}

fn resolve(host: &str, port: u16, addresses: &[IpAddr]) -> String {
    let one = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let addresses: Vec<String> = addresses.iter().map(one).collect();
    format!("{host}:{port}:{}", addresses.join(","))
}

fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
    let folder = input.destination.to_path();
    let repository = Repository::at(&folder, context)?;
    Ok(Output {
        repository: input.destination.to_string(),
        source: input.source.to_string(),
        branch: repository.branch()?,
        commit: repository.commit("HEAD")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curl_gets_the_addresses_that_were_checked() {
        let addresses = ["192.0.2.1", "2001:db8::1"].map(|one| one.parse().unwrap());
        assert_eq!(
            resolve("example.org", 443, &addresses),
            "example.org:443:192.0.2.1,[2001:db8::1]"
        );
    }

    #[test]
    fn this_machine_is_not_cloned_from_over_the_network() {
        let folder = tempfile::tempdir().unwrap();
        let context = crate::trial::context(folder.path());
        let refused = pinned("http://127.0.0.1:9/x", &context, reach::refusal).unwrap_err();
        assert!(matches!(refused, ToolError::Denied(_)), "{refused}");
    }
}
