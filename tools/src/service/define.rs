//! `service.define`: makes a service of a program, by a unit file that aiOS understands.

use aios_tool::argument::{self, Content, ServiceName};
use aios_tool::prelude::*;
use aios_tool::undo::Entry;

use super::unit_file::{FOLDER, packaged, with_folder};

/// So many remarks on a unit file are repeated in the summary.
const SHOWN: usize = 5;

arguments! {
    /// Arguments of `service.define`.
    pub struct Input {
        /// Name of the service, without `.service`.
        pub service: ServiceName<argument::Define>,
        /// The whole unit file, as systemd.service(5) describes it. What is not supported here is
        /// refused or named.
        pub unit: Content,
    }
}

/// The tool `service.define`.
pub struct Define;

/// The service as it is defined now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The service.
    pub service: String,
    /// Its unit file.
    pub path: String,
    /// The file was not there before.
    pub created: bool,
    /// Directives that have no effect here, and lines that were passed over, with the reason.
    pub remarks: Vec<String>,
}

impl Tool for Define {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "service.define",
            "Writes the unit file of a service of the operator's own, after checking it. The service is not started.",
        )
        .risk(Risk::High)
        .least(Least::Admin)
        .kernel(file::WRITING)
        .reading_the_machine()
        .changing(&["/etc"])
        .example(json!({
            "service": "hello",
            "unit": "[Unit]\nDescription=Says hello\n\n[Service]\nExecStart=/usr/bin/python3 -m http.server 8080\n\
                     User=www-data\nRestart=on-failure\n",
        }))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let bare = input.service.as_str();
        let bare = bare.strip_suffix(".service").unwrap_or(bare);
        checked(bare, input.unit.as_str()).map(drop)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            service,
            path,
            remarks,
            ..
        } = output;
        let what = if output.created {
            "defined"
        } else {
            "defined otherwise"
        };
        let mut text = format!("service {service} is {what} in {path}; service.start starts it");
        for remark in remarks.iter().take(SHOWN) {
            text = format!("{text}\n{remark}");
        }
        text
    }
}

impl Edit for Define {
    fn effect() -> Effect {
        Effect::of(
            "the unit file is there and describes a service",
            &["define", "make"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Input, _context: &Context) -> Result<Plan, ToolError> {
        let bare = packaged(input.service.as_str())?;
        with_folder(FOLDER)?.content(&path(bare), input.unit.as_str(), 0o644)
    }

    fn output(input: &Input, changed: &[Entry], _context: &Context) -> Result<Output, ToolError> {
        let service = packaged(input.service.as_str())?;
        let path = path(service);
        let was_absent = |entry: &Entry| {
            entry.path == path && entry.before == aios_tool::file::state::State::Absent
        };
        Ok(Output {
            created: changed.iter().any(was_absent),
            remarks: checked(service, input.unit.as_str())?,
            service: service.to_owned(),
            path,
        })
    }

    fn verify(input: &Input, _context: &Context) -> Result<(), ToolError> {
        super::unit_file::unit(packaged(input.service.as_str())?).map(drop)
    }
}

fn path(bare: &str) -> String {
    format!("{FOLDER}/{bare}.service")
}

/// What is to be said of a unit file that can be run.
fn checked(bare: &str, text: &str) -> Result<Vec<String>, ToolError> {
    let unit = aios_units::check(bare, text)
        .map_err(|why| ToolError::Invalid(format!("unit: {}", format::printable(&why))))?;
    let ignored = unit
        .ignored
        .iter()
        .map(|one| format!("{one}= has no effect here"));
    let remarks = ignored.chain(unit.warnings.iter().cloned());
    Ok(remarks.map(|text| format::printable(&text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_checked_and_what_has_no_effect_is_told() {
        let remarks = checked(
            "web",
            "[Service]\nExecStart=/bin/web\nProtectSystem=strict\n",
        )
        .unwrap();
        assert_eq!(remarks.len(), 1, "{remarks:?}");
        for text in [
            "",
            "[Service]\n",
            "[Service]\nType=dbus\nBusName=a.b\nExecStart=/bin/x\n",
        ] {
            let refused = checked("web", text);
            assert!(
                matches!(refused, Err(ToolError::Invalid(_))),
                "{text:?}: {refused:?}"
            );
        }
    }
}
