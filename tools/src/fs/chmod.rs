//! `fs.chmod`: gives files and folders another mode.

use std::borrow::Cow;

use rustix::fs::FileType;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::metadata::{self, Subject, Turned};
use aios_tool::argument::{Argument, Flag, WritePath};
use aios_tool::file::MOVING;
use aios_tool::file::meta::Meta;
use aios_tool::prelude::*;

/// Set-user-ID: whoever may give it to a file may become the file's owner.
const SET_USER_ID: u32 = 0o4000;
/// Set-group-ID and sticky, which mean something harmless for folders only.
const OF_FOLDERS: u32 = 0o3000;

/// Permission bits; resolved, they are four octal digits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mode(String);

impl Mode {
    fn bits(&self) -> u32 {
        u32::from_str_radix(&self.0, 8).unwrap_or(0)
    }
}

impl JsonSchema for Mode {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kind = argument::Kind::Text.name();
        json_schema!({"type": "string", "minLength": 3, "maxLength": 5, argument::KEY: kind})
    }
}

impl Argument for Mode {
    fn resolve(&mut self, name: &str, _context: &Context) -> Result<(), ToolError> {
        let bits = parse(&self.0).map_err(|why| ToolError::Invalid(format!("{name}: {why}")))?;
        self.0 = format!("{bits:04o}");
        Ok(())
    }
}

fn parse(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let bits = u32::from_str_radix(digits, 8).ok().filter(|_| octal);
    match bits.filter(|bits| *bits <= 0o7777 && digits.len() >= 3) {
        None => Err("must be three or four octal digits: 0644, 0755".to_owned()),
        Some(bits) if bits & SET_USER_ID != 0 => Err(
            "no tool makes a file set-user-ID: it would give its owner's rights away".to_owned(),
        ),
        Some(bits) => Ok(bits),
    }
}

/// The tool `fs.chmod`.
pub struct Act;

arguments! {
    /// Arguments of `fs.chmod`.
    pub struct Input {
        /// Absolute path of the file or folder.
        pub path: WritePath,
        /// The permission bits in octal: `0644`. `2000` (set-group-ID) and `1000` (sticky) are for
        /// folders only.
        pub mode: Mode,
        /// With everything below a folder? Then files get it without what is for folders only, and
        /// folders can be entered by whoever may read them. Symbolic links stay as they are.
        pub below: Option<Flag>,
    }
}

/// What was changed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// The mode in octal: `0644`.
    pub mode: String,
    /// Files and folders that were looked at.
    pub entries: u64,
    /// Those that had another mode before.
    pub changed: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.chmod",
            "Changes the mode (who may read, write, run) of a file or folder, also of all below it.",
        )
        .example(json!({"path": "/srv/site", "mode": "0755", "below": true}))
        .risk(Risk::Medium)
        .timeout_ms(60_000)
        .kernel(MOVING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output { path, mode, .. } = output;
        let counted = metadata::counted(path, output.changed, output.entries);
        format!("mode {mode}: {counted}")
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of("everything it names has the mode", &["change", "set"]).undone_by(Undo::Files)
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        with(input, |subject| subject.preview(context))
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        with(input, |subject| subject.capture(capture, context))
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let turned = with(input, |subject| subject.turn(context))?;
        Ok(output(input, turned))
    }

    fn verify(input: &Input, _output: &Output, context: &Context) -> Result<(), ToolError> {
        with(input, |subject| subject.verify(context))
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let found = with(input, |subject| {
            subject.found_done(interrupted.steps, context)
        })?;
        Ok(found.map(|turned| output(input, turned)))
    }
}

fn output(input: &Input, turned: Turned) -> Output {
    Output {
        path: input.path.to_string(),
        mode: input.mode.0.clone(),
        entries: turned.entries,
        changed: turned.changed,
    }
}

fn with<T>(
    input: &Input,
    work: impl FnOnce(&Subject<'_>) -> Result<T, ToolError>,
) -> Result<T, ToolError> {
    let (bits, below) = (input.mode.bits(), Flag::is_set(input.below));
    let place = input.path.place()?;
    let top = FileType::from_raw_mode(place.existing()?.st_mode);
    if top != FileType::Directory && bits & OF_FOLDERS != 0 {
        return Err(ToolError::Precondition(format!(
            "{} is no folder: set-group-ID and sticky are for folders only",
            input.path
        )));
    }
    work(&Subject {
        path: &input.path,
        below,
        wanted: &|kind, meta| {
            wanted(bits, below, kind).map(|mode| Meta {
                mode,
                ..meta.clone()
            })
        },
    })
}

/// The mode that an object of this kind gets.
fn wanted(bits: u32, below: bool, kind: FileType) -> Option<u32> {
    match kind {
        FileType::Symlink => None,
        FileType::Directory if below => Some(bits | (bits & 0o444) >> 2),
        FileType::Directory => Some(bits),
        _ => Some(bits & !OF_FOLDERS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call_change as call;

    #[test]
    fn modes_are_octal_and_never_set_user_id() {
        let check = |text: &str, expected: Option<u32>| {
            assert_eq!(parse(text).ok(), expected, "{text}");
        };
        check("644", Some(0o644));
        check("0755", Some(0o755));
        check("0o600", Some(0o600));
        check("1777", Some(0o1777));
        check("2775", Some(0o2775));
        check("4755", None);
        check("6755", None);
        check("888", None);
        check("u+x", None);
        check("+755", None);
        check("07777777", None);
    }

    #[test]
    fn folders_below_can_be_entered_by_whoever_may_read_them() {
        let check = |bits, below, kind, expected| {
            assert_eq!(wanted(bits, below, kind), expected, "{bits:o} {kind:?}");
        };
        check(0o640, true, FileType::Directory, Some(0o750));
        check(0o640, false, FileType::Directory, Some(0o640));
        check(0o640, true, FileType::RegularFile, Some(0o640));
        check(0o2775, true, FileType::RegularFile, Some(0o775));
        check(0o777, true, FileType::Symlink, None);
    }

    #[test]
    fn what_a_link_below_points_to_stays_and_a_file_with_other_names_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let mode = |path: &str| root.join(path).metadata().unwrap().permissions().mode() & 0o7777;
        std::fs::write(root.join("outside"), "").unwrap();
        std::fs::create_dir_all(root.join("tree/inner")).unwrap();
        std::fs::write(root.join("tree/inner/file"), "").unwrap();
        std::os::unix::fs::symlink("../outside", root.join("tree/link")).unwrap();
        let outside = mode("outside");
        let arguments = json!({"path": root.join("tree"), "mode": "600", "below": true});
        let done = call::<Act>(arguments.clone()).unwrap();
        assert_eq!((mode("tree"), mode("tree/inner/file")), (0o700, 0o600));
        assert_eq!(mode("outside"), outside);
        assert_eq!(done.output["entries"], 4);
        assert!(done.summary.contains("3 of 4 entries"), "{}", done.summary);
        assert!(
            call::<Act>(arguments.clone())
                .unwrap()
                .summary
                .contains("had it already")
        );
        std::fs::hard_link(root.join("tree/inner/file"), root.join("other")).unwrap();
        let again = json!({"path": root.join("tree"), "mode": "644", "below": true});
        let error = call::<Act>(again).unwrap_err().to_string();
        assert!(error.contains("2 names"), "{error}");
        assert_eq!(
            mode("tree"),
            0o700,
            "what was changed before it is given back"
        );
    }
}
