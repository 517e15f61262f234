//! Arguments that are paths. A tool gets the [`Place`] of a path only when the path is resolved and
//! guarded, so that no tool can act on what was not checked.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ACCESS, Access, Argument, KEY, Kind};
use crate::context::Context;
use crate::demand::{Collector, Reach};
use crate::error::ToolError;
use crate::file::name;
use crate::file::path::{self, Last};
use crate::file::place::Place;
use crate::file::quarantine;
use crate::file::secrets::Secrets;

/// What a path is for.
pub trait Purpose: 'static {
    /// What becomes of a symbolic link in the last place.
    const LAST: Last;
    /// Namespace and action of the capability for it.
    const NEED: (&'static str, &'static str);
    /// Does a call change what is there?
    const ACCESS: Access;

    /// Refuses what no tool may touch.
    ///
    /// # Errors
    /// `Denied`, naming what is protected.
    fn guard(path: &str, context: &Context) -> Result<(), ToolError>;

    /// What the act must reach.
    fn reach(path: &str, reach: &mut Reach);
}

/// A path, and what it is for.
pub struct FilePath<P> {
    /// In its written form.
    path: String,
    /// Set when it may be used: what is not read under any name.
    guarded: Option<Arc<Secrets>>,
    purpose: PhantomData<fn() -> P>,
}

impl<P: Purpose> FilePath<P> {
    /// The path, when a caller named none; it is resolved and guarded like one that a caller named.
    pub fn of(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            guarded: None,
            purpose: PhantomData,
        }
    }

    /// The path as it is written: resolved, once the arguments are prepared.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The path as the kernel knows it.
    pub fn to_path(&self) -> PathBuf {
        name::decode(&self.path)
    }

    /// Opens the directory that it is in, without following any symbolic link.
    ///
    /// # Errors
    /// `Precondition` when the directory is missing or a part of the path was replaced by a link
    /// since it was resolved.
    pub fn place(&self) -> Result<Place, ToolError> {
        let (path, secrets) = self.checked()?;
        Ok(Place::open(path)?.keeping(secrets))
    }

    /// The same; `None` when the directory does not exist.
    ///
    /// # Errors
    /// As [`Self::place`].
    pub fn place_if_any(&self) -> Result<Option<Place>, ToolError> {
        let (path, secrets) = self.checked()?;
        let place = Place::open_if_any(path)?;
        Ok(place.map(|place| place.keeping(secrets)))
    }

    /// The place of a directory above it, or its own.
    ///
    /// # Errors
    /// `Failed` when the directory is not above it; otherwise as [`Self::place`].
    pub fn ancestor(&self, folder: &Path) -> Result<Place, ToolError> {
        let (path, secrets) = self.checked()?;
        let text = name::encode(folder);
        if !name::decode(path).starts_with(folder) {
            return Err(ToolError::Failed(format!("{text} is not above {self}")));
        }
        Ok(Place::open(&text)?.keeping(secrets))
    }

    fn checked(&self) -> Result<(&str, Arc<Secrets>), ToolError> {
        match &self.guarded {
            Some(secrets) => Ok((&self.path, Arc::clone(secrets))),
            None => Err(ToolError::Failed(format!(
                "{}: this path was not checked",
                self.path
            ))),
        }
    }
}

impl<P> fmt::Display for FilePath<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl<P> fmt::Debug for FilePath<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.path)
    }
}

impl<P> Serialize for FilePath<P> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.path.serialize(to)
    }
}

impl<'de, P> Deserialize<'de> for FilePath<P> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self {
            path: String::deserialize(from)?,
            guarded: None,
            purpose: PhantomData,
        })
    }
}

impl<P: Purpose> JsonSchema for FilePath<P> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Path".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", KEY: Kind::Path.name(), ACCESS: P::ACCESS.name()})
    }
}

impl<P: Purpose> Argument for FilePath<P> {
    fn resolve(&mut self, _name: &str, _context: &Context) -> Result<(), ToolError> {
        self.guarded = None;
        self.path = path::resolve(&self.path, P::LAST)?;
        Ok(())
    }

    fn guard(&mut self, context: &Context) -> Result<(), ToolError> {
        P::guard(&self.path, context)?;
        self.guarded = Some(Arc::new(Secrets::find(context)));
        Ok(())
    }

    fn demand(&self, _name: &str, to: &mut Collector) -> Result<(), ToolError> {
        to.need(P::NEED.0, P::NEED.1, self.checked()?.0);
        P::reach(&self.path, to.reach());
        Ok(())
    }

    fn template(name: &str, to: &mut Collector) {
        to.need(P::NEED.0, P::NEED.1, &format!("{{{name}}}"));
    }

    fn is_needful() -> bool {
        true
    }
}

/// Namespace of what is needed for files; locks are by path, whoever reads or changes it.
pub(crate) const FILES: &str = "fs";

macro_rules! purposes {
    ($($(#[$doc:meta])* $path:ident, $purpose:ident:
        $last:ident, $need:expr, $access:ident, $guard:expr, $reach:expr;)*) => {$(
        /// What such a path is for.
        #[derive(Clone, Copy, Debug)]
        pub enum $purpose {}

        impl Purpose for $purpose {
            const LAST: Last = Last::$last;
            const NEED: (&'static str, &'static str) = $need;
            const ACCESS: Access = Access::$access;

            fn guard(path: &str, context: &Context) -> Result<(), ToolError> {
                let guards: &[fn(&str, &Context) -> Result<(), ToolError>] = &$guard;
                guards.iter().try_for_each(|guard| guard(path, context))
            }

            fn reach(path: &str, reach: &mut Reach) {
                let add: fn(&mut Reach, &str) = $reach;
                add(reach, path);
            }
        }

        $(#[$doc])*
        pub type $path = FilePath<$purpose>;
    )*};
}

const READ: (&str, &str) = (FILES, "read");
const WRITE: (&str, &str) = (FILES, "write");

purposes! {
    /// What is read; of a symbolic link, what it points to.
    ReadPath, Reading: Follow, READ, Read, [path::readable], Reach::to_read;
    /// What is looked at; of a symbolic link, the link itself.
    ReadEntry, ReadingEntry: Keep, READ, Read, [path::readable], Reach::to_read;
    /// A whole tree that is read, with all in it: there may be no secret anywhere in it.
    ReadTree, ReadingTree: Follow, READ, Read, [path::readable, path::holds_no_secret], Reach::to_read;
    /// What is changed or made; of a symbolic link, what it points to.
    WritePath, Writing: Follow, WRITE, Change, [path::changeable], Reach::to_write;
    /// What is taken away or made; of a symbolic link, the link itself.
    WriteEntry, WritingEntry: Keep, WRITE, Change, [path::changeable], Reach::to_write;
    /// What is deleted; of a symbolic link, the link itself.
    DeletedEntry, Deleting: Keep, WRITE, Change, [path::changeable], |reach, path| {
        reach.to_write(path);
        reach.write.extend(quarantine::reach(&name::decode(path)));
    };
    /// A folder in which a program works, and whatever is in it may change.
    WorkTree, Working: Follow, WRITE, Change, [path::changeable, path::holds_no_secret], |reach, path| {
        reach.write.push(name::decode(path));
    };
    /// A program that is run; none of aiOS's own.
    ProgramPath, Running: Follow, ("process", "spawn"), Change, [path::readable, path::changeable], |_, _| {};
    /// Where something new is put, see [`NewPath::enter`].
    NewPath, Making: Follow, WRITE, Change, [path::changeable], Reach::to_write;
    /// A path of which only its file system is looked at: nothing at it is opened, so nothing at it
    /// can be told.
    VolumePath, Holding: Follow, ("storage", "read"), Read, [], |_, _| {};
}

impl NewPath {
    /// When an existing directory was named, the new thing gets its place inside, under this name.
    pub fn enter(&mut self, source: &Path) {
        let folder = self.to_path();
        if let (true, Some(name)) = (folder.is_dir(), source.file_name()) {
            self.guarded = None;
            self.path = name::encode(folder.join(name));
        }
    }

    /// Refuses to put something into itself.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn is_apart_from(&self, source: &Path) -> Result<(), ToolError> {
        match self.to_path().starts_with(source) {
            true => Err(ToolError::Invalid(format!(
                "destination: {self} is {} itself or inside it",
                name::encode(source)
            ))),
            false => Ok(()),
        }
    }
}
