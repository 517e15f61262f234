//! What the root file system is made of, as SPDX 2.3 (ISO/IEC 5962's successor) in JSON:
//! Debian's packages, our crates with all that they are linked from, the kernel, the models.
//!
//! Nothing here depends on when or where it is made: the same inputs give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{cache, exec, paths};

/// Where it is on the appliance.
pub const PATH: &str = "usr/lib/aios/sbom.spdx.json";

/// Debian's names of licences (machine-readable copyright files) and SPDX's. A package
/// with any other licence is `NOASSERTION`, with Debian's words as a comment.
const LICENCES: [(&str, &str); 17] = [
    ("apache-2.0", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("expat", "MIT"),
    ("gpl-1+", "GPL-1.0-or-later"),
    ("gpl-2", "GPL-2.0-only"),
    ("gpl-2+", "GPL-2.0-or-later"),
    ("gpl-3", "GPL-3.0-only"),
    ("gpl-3+", "GPL-3.0-or-later"),
    ("isc", "ISC"),
    ("lgpl-2+", "LGPL-2.0-or-later"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-2.1+", "LGPL-2.1-or-later"),
    ("lgpl-3+", "LGPL-3.0-or-later"),
    ("mpl-2.0", "MPL-2.0"),
    ("zlib", "Zlib"),
];

/// One thing that is shipped.
#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    /// `debian`, `crate`, `kernel` or `model`.
    sort: &'static str,
    name: String,
    version: String,
    /// SPDX's expression; empty: not known.
    licence: String,
    /// What is known of the licence in other words.
    comment: String,
    /// Package URL, when there is one.
    purl: String,
    /// SHA-256 of the file, when it is one.
    sha256: String,
}

/// Makes the document for the unpacked root `tree`. `built` is its time in Unix seconds.
///
/// # Errors
/// When dpkg's list, cargo's or a model cannot be read.
pub fn make(
    tree: &Path,
    products: &[&str],
    models: &Path,
    kernel: &str,
    built: i64,
) -> Result<String> {
    let status = std::fs::read_to_string(tree.join("var/lib/dpkg/status"))
        .context("the root file system has no list of Debian packages")?;
    let mut parts = debian(&status, |package| {
        let path = format!("usr/share/doc/{package}/copyright");
        std::fs::read_to_string(tree.join(path)).unwrap_or_default()
    });
    parts.extend(crates(products)?);
    parts.push(Part {
        sort: "kernel",
        name: "linux".into(),
        version: kernel.into(),
        licence: "GPL-2.0-only WITH Linux-syscall-note".into(),
        purl: format!("pkg:deb/debian/linux-source-6.12@{kernel}?arch=source"),
        ..Part::default()
    });
    for name in cache::files(models)? {
        parts.push(Part {
            sort: "model",
            name: name.display().to_string(),
            licence: "Apache-2.0".into(),
            sha256: cache::sha256(&models.join(&name))?,
            ..Part::default()
        });
    }
    let created = time::OffsetDateTime::from_unix_timestamp(built)?
        .format(&time::format_description::well_known::Rfc3339)?;
    Ok(serde_json::to_string(&document(&parts, &created))?)
}

fn document(parts: &[Part], created: &str) -> Value {
    const ROOT: &str = "SPDXRef-aios";
    let mut packages = vec![json!({
        "SPDXID": ROOT,
        "name": "aios",
        "versionInfo": env!("CARGO_PKG_VERSION"),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    })];
    packages.extend(parts.iter().map(package));
    let relation = |from: &str, what: &str, to: &Value| json!({"spdxElementId": from, "relationshipType": what, "relatedSpdxElement": to});
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", &json!(ROOT))];
    for package in packages.iter().skip(1) {
        relations.push(relation(ROOT, "CONTAINS", &package["SPDXID"]));
    }
    let digest = cache::hex(&Sha256::digest(json!(packages).to_string()));
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("aios-{}", env!("CARGO_PKG_VERSION")),
        "documentNamespace": format!("https://aios.invalid/spdx/{digest}"),
        "creationInfo": {
            "created": created,
            "creators": [format!("Tool: aios-xtask-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relations,
    })
}

fn package(part: &Part) -> Value {
    let known = |text: &str| if text.is_empty() { "NOASSERTION" } else { text }.to_owned();
    let mut package = json!({
        "SPDXID": identifier(part),
        "name": part.name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": known(&part.licence),
        "copyrightText": "NOASSERTION",
        "summary": part.sort,
    });
    if !part.version.is_empty() {
        package["versionInfo"] = json!(part.version);
    }
    if !part.comment.is_empty() {
        package["licenseComments"] = json!(part.comment);
    }
    if !part.sha256.is_empty() {
        package["checksums"] = json!([{"algorithm": "SHA256", "checksumValue": part.sha256}]);
    }
    if !part.purl.is_empty() {
        package["externalRefs"] = json!([{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": part.purl,
        }]);
    }
    package
}

/// Letters, digits, `.` and `-` only; a crate can be there in two versions.
fn identifier(part: &Part) -> String {
    let text = format!("SPDXRef-{}-{}-{}", part.sort, part.name, part.version);
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    text.trim_end_matches('-')
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect()
}

/// The installed packages in dpkg's status file; `copyright` gives a package's copyright file.
fn debian(status: &str, copyright: impl Fn(&str) -> String) -> Vec<Part> {
    let mut parts = Vec::new();
    for paragraph in status.split("\n\n") {
        let field = |name: &str| {
            let mut lines = paragraph.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let (Some(name), Some(version)) = (field("Package"), field("Version")) else {
            continue;
        };
        if field("Status") != Some("install ok installed") {
            continue;
        }
        let (licence, comment) = licence(&copyright(name));
        let architecture = field("Architecture").unwrap_or("all");
        parts.push(Part {
            sort: "debian",
            name: name.into(),
            version: version.into(),
            licence,
            comment,
            purl: format!("pkg:deb/debian/{name}@{version}?arch={architecture}"),
            sha256: String::new(),
        });
    }
    parts
}

/// SPDX's expression, if every licence of the file is known, and Debian's words.
fn licence(copyright: &str) -> (String, String) {
    let names: BTreeSet<String> = copyright
        .lines()
        .filter_map(|line| line.strip_prefix("License:"))
        .map(|name| name.trim().to_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return (String::new(), String::new());
    }
    let known: Option<BTreeSet<&str>> = names
        .iter()
        .map(|name| {
            let found = LICENCES.iter().find(|(debian, _)| debian == name);
            found.map(|(_, spdx)| *spdx)
        })
        .collect();
    let words = names.into_iter().collect::<Vec<_>>().join(", ");
    let expression = known.map(|known| known.into_iter().collect::<Vec<_>>().join(" AND "));
    (
        expression.unwrap_or_default(),
        format!("Debian's copyright file names: {words}"),
    )
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Crate>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Crate {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// The crates that the packages `products` are linked from.
fn crates(products: &[&str]) -> Result<Vec<Part>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(paths::repository()).args([
        "metadata",
        "--format-version=1",
        "--locked",
        // Only aiosctl has features: what its executable for the operator's machine has more.
        "--no-default-features",
        "--filter-platform=x86_64-unknown-linux-gnu",
    ]);
    let text = exec::output(&mut cargo)?;
    linked(
        &serde_json::from_str(&text).context("cargo metadata")?,
        products,
    )
}

fn linked(metadata: &Metadata, products: &[&str]) -> Result<Vec<Part>> {
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let all: BTreeMap<&str, &Crate> = metadata
        .packages
        .iter()
        .map(|one| (one.id.as_str(), one))
        .collect();
    let mut open: Vec<&str> = Vec::new();
    for product in products {
        let found = metadata.packages.iter().find(|one| one.name == *product);
        open.push(&found.with_context(|| format!("no crate {product}"))?.id);
    }
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = nodes.get(id).with_context(|| id.to_owned())?;
        // Not those of build scripts or tests.
        let normal =
            |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        open.extend(node.deps.iter().filter(normal).map(|one| one.pkg.as_str()));
    }
    let mut parts: Vec<Part> = seen
        .into_iter()
        .filter_map(|id| all.get(id))
        .map(|one| Part {
            sort: "crate",
            name: one.name.clone(),
            version: one.version.clone(),
            // The way to write a choice before SPDX expressions.
            licence: one.license.clone().unwrap_or_default().replace('/', " OR "),
            purl: match one.source {
                Some(_) => format!("pkg:cargo/{}@{}", one.name, one.version),
                None => String::new(),
            },
            ..Part::default()
        })
        .collect();
    parts.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\n\
        Version: 5.2-1\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
        Package: odd\nStatus: install ok installed\nVersion: 2\n";

    fn copyright(package: &str) -> String {
        match package {
            "bash" => "License: GPL-3+\nLicense: Expat\n",
            _ => "License: its-own\n",
        }
        .to_owned()
    }

    #[test]
    fn installed_packages_are_listed_with_the_licences_that_are_known() {
        let parts = debian(STATUS, copyright);
        let short: Vec<(&str, &str)> = parts
            .iter()
            .map(|part| (part.name.as_str(), part.licence.as_str()))
            .collect();
        assert_eq!(short, [("bash", "GPL-3.0-or-later AND MIT"), ("odd", "")]);
        assert!(parts[1].comment.contains("its-own"));
    }

    #[test]
    fn crates_are_those_that_are_linked() {
        let parts = crates(&["aios-init"]).unwrap();
        let has = |name: &str| parts.iter().any(|part| part.name == name);
        assert!(has("aios-init") && has("nix") && has("landlock"));
        // A build script's, a test's, and another daemon's.
        assert!(!has("tonic-prost-build") && !has("proptest") && !has("rusqlite"));
        assert!(parts.iter().all(|part| !part.licence.contains('/')));
    }

    #[test]
    fn what_only_the_operators_machine_has_is_not_listed() {
        let parts = crates(&["aios"]).unwrap();
        let has = |name: &str| parts.iter().any(|part| part.name == name);
        assert!(has("aiosctl") && has("rcgen"));
        assert!(!has("rmcp") && !has("chrono"));
    }

    /// What the specification asks of every document and package (sections 6, 7 and 11).
    #[test]
    fn the_document_has_every_field_that_spdx_requires() {
        let mut parts = debian(STATUS, copyright);
        parts.extend(crates(&["aios-init"]).unwrap());
        let document = document(&parts, "2026-01-01T00:00:00Z");
        let text = |value: &Value, key: &str| {
            let text = value[key].as_str();
            assert!(
                text.is_some_and(|text| !text.is_empty()),
                "{key} of {value}"
            );
            text.unwrap().to_owned()
        };
        for (key, expected) in [
            ("spdxVersion", "SPDX-2.3"),
            ("dataLicense", "CC0-1.0"),
            ("SPDXID", "SPDXRef-DOCUMENT"),
        ] {
            assert_eq!(text(&document, key), expected);
        }
        text(&document, "name");
        assert!(text(&document, "documentNamespace").starts_with("https://"));
        text(&document["creationInfo"], "created");
        assert!(
            !document["creationInfo"]["creators"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        let mut identifiers = BTreeSet::from(["SPDXRef-DOCUMENT".to_owned()]);
        for package in document["packages"].as_array().unwrap() {
            for key in [
                "name",
                "downloadLocation",
                "licenseDeclared",
                "copyrightText",
            ] {
                text(package, key);
            }
            let identifier = text(package, "SPDXID");
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
            assert!(identifier.starts_with("SPDXRef-") && identifier.chars().all(allowed));
            assert!(identifiers.insert(identifier.clone()), "{identifier} twice");
        }
        let relations = document["relationships"].as_array().unwrap();
        assert_eq!(relations.len(), parts.len() + 1);
        for relation in relations {
            for end in ["spdxElementId", "relatedSpdxElement"] {
                assert!(identifiers.contains(&text(relation, end)), "{relation}");
            }
        }
    }
}
