//! How a table is declared: once, with all that anybody has to know of each key.
//!
//! [`table!`](crate::table) makes of a declaration the type that daemons read, its defaults, its
//! reader ([`Table::read`]), which services a change concerns ([`Table::difference`]), who may read
//! it ([`ReadBy`](crate::reader::ReadBy)) and the rows of the documentation ([`Key`]).

use crate::read;
use crate::reader::Service;

/// One key, as it was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The table, such as `runtime`.
    pub table: &'static str,
    /// The key in it.
    pub name: &'static str,
    /// What the key is for.
    pub meaning: String,
    /// Which values it takes, in words.
    pub values: String,
    /// What holds when the key is left out, in words.
    pub default: String,
    /// What becomes of it.
    pub force: Force,
}

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Force {
    /// These services read it.
    Read(Vec<Service>),
    /// It is another name of this key.
    SameAs(&'static str),
    /// It says what holds on every node, for this reason; another value is refused.
    Always(&'static str),
    /// Its value is checked, and nothing reads it yet: this part of aiOS is still to come.
    Pending(&'static str),
}

/// A key that was set and is not in force yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInForce {
    /// `table.key`.
    pub path: String,
    /// The part of aiOS that will read the key.
    pub part: &'static str,
}

impl std::fmt::Display for NotInForce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: not in force yet, it needs {}", self.path, self.part)
    }
}

impl Key {
    /// `table.key`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.table, self.name)
    }

    /// The services that read the key.
    pub fn readers(&self) -> Vec<Service> {
        match &self.force {
            Force::Read(services) => services.clone(),
            Force::SameAs(_) | Force::Always(_) | Force::Pending(_) => Vec::new(),
        }
    }
}

/// A table of the configuration.
pub trait Table: Clone + PartialEq + Default + Sized {
    /// Its name in the file.
    const NAME: &'static str;

    /// Its keys.
    fn keys() -> Vec<Key>;

    /// The keys whose values differ.
    fn difference(&self, other: &Self) -> Vec<Key>;

    /// The keys that are set to what is not in force yet.
    fn not_in_force(&self) -> Vec<NotInForce>;
}

/// A table at the top of the file.
pub trait TopTable: Table {
    /// This table of a configuration.
    fn of(config: &crate::Config) -> &Self;
}

/// A table that can be read; apart from [`Table`], as what it is read from is private.
pub(crate) trait Read: Table {
    fn read(table: &read::Table<'_>) -> Self;
}

/// The lines of a doc comment as one text.
pub(crate) fn joined(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}

/// Declares a table.
///
/// ```text
/// table! {
///     /// `[tools]`: how much at once.
///     Tools = "tools", in tools, read by [Tools];
///
///     /// Calls of one agent that may be under way at the same time.
///     calls_per_caller_max: u32 = 16, number(1..=4096);
/// }
/// ```
///
/// A key is its meaning, name, type, default and [form](crate::form). Further:
/// `default "in words"` where the value does not say it; `read by [..]` where only some of the
/// table's readers read the key; `same as "table.key"` for another name of a key; `always "why"` for
/// what holds on every node; `pending "a part of aiOS"` for what that part will read, and
/// `holds VALUE` for a value that holds already.
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $table:ident = $name:literal $(, in $field:ident)?, read by [$($reader:ident),*];
        $(
            $(#[doc = $meaning:literal])+
            $key:ident : $type:ty = $default:expr, $form:expr
            $(, default $words:literal)?
            $(, read by [$($only:ident),+])?
            $(, same as $same:literal)?
            $(, always $why:literal)?
            $(, pending $part:literal)?
            $(, holds $holds:expr)?;
        )+
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $table {
            $($(#[doc = $meaning])+ pub $key: $type,)+
        }

        impl Default for $table {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        $(impl $crate::reader::ReadBy<$crate::reader::$reader> for $table {})*

        impl $crate::table::Table for $table {
            const NAME: &'static str = $name;

            fn keys() -> Vec<$crate::table::Key> {
                use $crate::form::Form;
                use $crate::reader::Service;
                use $crate::table::Force;
                let all: &[Service] = &[$(<$crate::reader::$reader as $crate::reader::Reader>::SERVICE),*];
                let mut keys = Vec::new();
                $({
                    let only: &[Service] = &[$($(<$crate::reader::$only as $crate::reader::Reader>::SERVICE),+)?];
                    let words: &[&str] = &[$($words)?];
                    let force: &[Force] = &[
                        $(Force::SameAs($same),)?
                        $(Force::Always($why),)?
                        $(Force::Pending($part),)?
                    ];
                    let read = || Force::Read(if only.is_empty() { all } else { only }.to_vec());
                    let default = words.first().map(|words| (*words).to_owned());
                    let key = $crate::table::Key {
                        table: $name,
                        name: stringify!($key),
                        meaning: $crate::table::joined(&[$($meaning),+]),
                        values: Form::<$type>::values(&$form),
                        default: default.unwrap_or_else(|| ($form).tell(&Self::default().$key)),
                        force: force.first().cloned().unwrap_or_else(read),
                    };
                    keys.extend(Form::<$type>::keys(&$form).unwrap_or_else(|| vec![key]));
                })+
                keys
            }

            fn not_in_force(&self) -> Vec<$crate::table::NotInForce> {
                use $crate::form::Form;
                let mut found = Vec::new();
                let default = Self::default();
                $({
                    let holds: &[$type] = &[default.$key, $($holds)?];
                    let pending: &[&'static str] = &[$($part)?];
                    for part in pending.iter().filter(|_| !holds.contains(&self.$key)) {
                        found.push($crate::table::NotInForce {
                            path: concat!($name, ".", stringify!($key)).to_owned(),
                            part,
                        });
                    }
                    found.extend(Form::<$type>::not_in_force(&$form, &self.$key));
                })+
                found
            }

            fn difference(&self, other: &Self) -> Vec<$crate::table::Key> {
                let mut same = std::collections::BTreeMap::new();
                $(same.insert(stringify!($key), self.$key == other.$key);)+
                let differs = |key: &$crate::table::Key| same.get(key.name) == Some(&false);
                Self::keys().into_iter().filter(differs).collect()
            }
        }

        $(impl $crate::table::TopTable for $table {
            fn of(config: &$crate::Config) -> &Self {
                &config.$field
            }
        })?

        impl $crate::table::Read for $table {
            fn read(table: &$crate::read::Table<'_>) -> Self {
                use $crate::form::Form;
                let default = Self::default();
                Self {
                    $($key: Form::<$type>::read(&$form, table, stringify!($key))
                        .unwrap_or(default.$key),)+
                }
            }
        }
    };
}
pub(crate) use table;
