//! The types of arguments.
//!
//! A tool's input is a struct whose fields are [`Argument`]s, made by [`arguments!`](crate::arguments).
//! On its way to the act every argument is resolved, guarded, and asked what the call needs for it.
//!
//! | type | kind | what it stands for |
//! |---|---|---|
//! | [`ReadPath`], [`ReadEntry`], [`ReadTree`] | `path` | what is read: behind a link, the link itself, or a whole tree |
//! | [`WritePath`], [`WriteEntry`], [`DeletedEntry`], [`NewPath`] | `path` | what is changed: behind a link, the link itself, what is deleted, or what is made |
//! | [`VolumePath`] | `path` | a path whose file system is looked at |
//! | [`LinkTarget`] | `target` | what a symbolic link says |
//! | [`ServiceName`], [`LogSource`] | `service` | a service of PID 1, or whose log is read |
//! | [`PackageName`], [`AccountName`], [`HostName`], [`Url`], [`Pid`], … | … | other objects that a capability names |
//! | [`OwnPort`] | `port` | a port of this node, for the packet filter |
//! | [`Port`], [`Seconds`], [`Bytes`], [`Whole`] | … | numbers, with their bounds |
//! | [`Flag`] | `flag` | yes or no |
//! | [`Content`], [`Text`], [`Pattern`], [`Moment`], … | … | texts |
//!
//! A plain `String` or `PathBuf` is not an argument, and a crate of tools cannot make it one:
//!
//! ```compile_fail,E0277
//! aios_tool::arguments! {
//!     /// A path without a guard.
//!     pub struct Input {
//!         /// Which file.
//!         pub path: String,
//!     }
//! }
//! ```
//!
//! ```
//! aios_tool::arguments! {
//!     /// A path that may be read.
//!     pub struct Input {
//!         /// Which file.
//!         pub path: aios_tool::argument::ReadPath,
//!     }
//! }
//! ```

mod flag;
mod kind;
mod list;
mod number;
mod object;
mod origin;
mod path;
mod text;
mod web;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::demand::Collector;
use crate::error::ToolError;

pub use flag::Flag;
pub use kind::{ACCESS, Access, KEY, Kind, VERBS};
pub use list::List;
pub use number::{Bytes, OwnPort, Pid, Port, Seconds, Whole};
pub use object::{
    AccountName, Action, Add, Allow, Connect, Define, Deny, Disable, Enable, GroupName, HostName,
    Install, LOG_OF_ALL, LogSource, Logs, Modify, Named, Object, PackageName, Read, Reload, Remove,
    Restart, ServiceName, Set, SettingName, Signal, Start, Stop,
};
pub use origin::Origin;
pub(crate) use path::FILES;
pub use path::{
    DeletedEntry, FilePath, NewPath, ProgramPath, Purpose, ReadEntry, ReadPath, ReadTree,
    VolumePath, WorkTree, WriteEntry, WritePath,
};
pub use text::{
    AgentName, Content, Digest, InterfaceName, LinkTarget, Moment, Network, Pattern, ProcessName,
    Text,
};
pub use web::{Url, address, bare_host};

/// One argument of a tool.
pub trait Argument: Serialize + DeserializeOwned + JsonSchema {
    /// Puts it into the one form on which it is checked and acted on.
    ///
    /// # Errors
    /// `Invalid`, beginning with the argument's name, when it cannot be what its type stands for.
    fn resolve(&mut self, _name: &str, _context: &Context) -> Result<(), ToolError> {
        Ok(())
    }

    /// Refuses what no tool may touch, whatever capabilities the caller holds.
    ///
    /// # Errors
    /// `Denied`, saying what is protected.
    fn guard(&mut self, _context: &Context) -> Result<(), ToolError> {
        Ok(())
    }

    /// Tells what a call needs for it: capability, lock, and files to reach.
    ///
    /// # Errors
    /// `Invalid` when it is absent and the tool has put no default in its place.
    fn demand(&self, _name: &str, _to: &mut Collector) -> Result<(), ToolError> {
        Ok(())
    }

    /// The same for people: with the argument's name in braces for its value.
    fn template(_name: &str, _to: &mut Collector) {}

    /// Does a call need a capability for it?
    fn is_needful() -> bool {
        false
    }
}

/// An argument that may be absent. One that needs a capability must have got its default by then
/// ([`crate::tool::Tool::complete`]).
impl<T: Argument> Argument for Option<T> {
    fn resolve(&mut self, name: &str, context: &Context) -> Result<(), ToolError> {
        self.as_mut()
            .map_or(Ok(()), |argument| argument.resolve(name, context))
    }

    fn guard(&mut self, context: &Context) -> Result<(), ToolError> {
        self.as_mut()
            .map_or(Ok(()), |argument| argument.guard(context))
    }

    fn demand(&self, name: &str, to: &mut Collector) -> Result<(), ToolError> {
        match self {
            Some(argument) => argument.demand(name, to),
            None if T::is_needful() => Err(ToolError::Invalid(format!("{name}: is missing"))),
            None => Ok(()),
        }
    }

    fn template(name: &str, to: &mut Collector) {
        T::template(name, to);
    }

    fn is_needful() -> bool {
        T::is_needful()
    }
}

/// An argument that may be absent, after its tool has put a default in its place.
///
/// # Errors
/// `Failed` when the tool has not.
pub fn defaulted<T>(argument: &Option<T>) -> Result<&T, ToolError> {
    argument
        .as_ref()
        .ok_or_else(|| ToolError::Failed("an argument has no default".into()))
}

/// All arguments of a tool. [`arguments!`](crate::arguments) implements it.
pub trait Arguments: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Resolves each.
    ///
    /// # Errors
    /// As [`Argument::resolve`].
    fn resolve(&mut self, context: &Context) -> Result<(), ToolError>;

    /// Guards each.
    ///
    /// # Errors
    /// As [`Argument::guard`].
    fn guard(&mut self, context: &Context) -> Result<(), ToolError>;

    /// Tells what the call needs for each.
    ///
    /// # Errors
    /// As [`Argument::demand`].
    fn demand(&self, to: &mut Collector) -> Result<(), ToolError>;

    /// Tells the same for people.
    fn template(to: &mut Collector);
}

/// Makes a struct the input of a tool. Each field is an [`Argument`] and has a doc comment, which
/// becomes its description in the schema; a field that is not known is refused.
#[macro_export]
macro_rules! arguments {
    ($(#[$about:meta])* $seen:vis struct $name:ident {
        $($(#[$doc:meta])* $field_seen:vis $field:ident: $type:ty,)*
    }) => {
        $(#[$about])*
        #[derive(Debug, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        $seen struct $name {
            $($(#[$doc])* $field_seen $field: $type,)*
        }

        impl $crate::argument::Arguments for $name {
            fn resolve(
                &mut self,
                _context: &$crate::context::Context,
            ) -> ::std::result::Result<(), $crate::error::ToolError> {
                $($crate::argument::Argument::resolve(
                    &mut self.$field, ::std::stringify!($field), _context)?;)*
                Ok(())
            }

            fn guard(
                &mut self,
                _context: &$crate::context::Context,
            ) -> ::std::result::Result<(), $crate::error::ToolError> {
                $($crate::argument::Argument::guard(&mut self.$field, _context)?;)*
                Ok(())
            }

            fn demand(
                &self,
                _to: &mut $crate::demand::Collector,
            ) -> ::std::result::Result<(), $crate::error::ToolError> {
                $($crate::argument::Argument::demand(
                    &self.$field, ::std::stringify!($field), _to)?;)*
                Ok(())
            }

            fn template(_to: &mut $crate::demand::Collector) {
                $(<$type as $crate::argument::Argument>::template(
                    ::std::stringify!($field), _to);)*
            }
        }
    };
}

/// Makes an enum an argument that is one of a few words.
#[macro_export]
macro_rules! choices {
    ($(#[$about:meta])* $seen:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $word:literal,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize)]
        $seen enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl ::schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                ::std::stringify!($name).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({
                    "type": "string",
                    "enum": [$($word),*],
                    $crate::argument::KEY: $crate::argument::Kind::Choice.name(),
                })
            }
        }

        impl $crate::argument::Argument for $name {}
    };
}

crate::arguments! {
    /// Tools that look at the whole machine have no arguments.
    pub struct Nothing {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Has two implementations for a type that is an argument, so that naming it does not compile.
    trait IsNoArgument<A> {
        fn holds() {}
    }
    struct Really;
    impl<T: ?Sized> IsNoArgument<()> for T {}
    impl<T: Argument> IsNoArgument<Really> for T {}

    #[test]
    fn plain_texts_and_paths_are_no_arguments() {
        <String as IsNoArgument<_>>::holds();
        <PathBuf as IsNoArgument<_>>::holds();
        <Option<String> as IsNoArgument<_>>::holds();
    }

    #[test]
    fn a_path_gives_no_place_before_it_was_guarded() {
        let folder = tempfile::tempdir().unwrap();
        let context = crate::context::alone(folder.path());
        let mut path = ReadPath::of("/etc/../etc/passwd");
        assert!(path.place().is_err());
        path.resolve("path", &context).unwrap();
        assert_eq!(path.as_str(), "/etc/passwd");
        assert!(path.place().is_err());
        path.guard(&context).unwrap();
        assert!(path.place().is_ok());
        let mut path = NewPath::of("/etc");
        path.resolve("path", &context).unwrap();
        path.enter(std::path::Path::new("/srv/aios"));
        let refused = path.guard(&context);
        assert!(matches!(refused, Err(ToolError::Denied(_))), "{refused:?}");
        assert!(path.place().is_err());
    }
}
