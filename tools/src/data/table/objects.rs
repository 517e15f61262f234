//! Tables of JSON objects, read value by value: what is in memory is counted before it is there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io::BufRead;

use aios_tool::budget::Share;
use aios_tool::error::ToolError;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{COLUMNS_MAX, Fault, Table, bounded, named};

/// What the first entry of an object takes in memory, in bytes: a node of its tree.
const OBJECT: usize = 640;
/// What each other takes of its tree, in bytes.
const ENTRY: usize = 120;
/// What an allocation takes beside its content, in bytes.
const ALLOCATION: usize = 16;

/// The table of a list of objects, or of one object.
pub(super) fn whole(reader: impl BufRead, share: &mut Share) -> Result<Table, Fault> {
    let building = RefCell::new(Building::of(share));
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let read = List(&building)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    let building = building.into_inner();
    match read {
        Ok(()) => building.table(),
        Err(error) if error.is_data() => Err(building.fault(error.to_string())),
        Err(error) => Err(building.fault(format!("it is no JSON: {error}"))),
    }
}

/// The table of an object on each line.
pub(super) fn lines(mut reader: impl BufRead, share: &mut Share) -> Result<Table, Fault> {
    let mut building = Building::of(share);
    let (mut line, mut number, mut longest) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        if read.map_err(|error| error.to_string())? == 0 {
            return building.table();
        }
        number += 1;
        building
            .share
            .grow(2 * line.len().saturating_sub(longest) as u64)?;
        longest = longest.max(line.len());
        if line.trim_ascii().is_empty() {
            continue;
        }
        let shared = RefCell::new(building);
        let mut deserializer = serde_json::Deserializer::from_slice(&line);
        let row = Row(&shared)
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        building = shared.into_inner();
        if let Err(error) = row {
            return Err(building.fault(format!("line {number}: {error}")));
        }
    }
}

/// A table that is being read: a column for each name that an object has, in the order of appearance.
struct Building<'a> {
    columns: Vec<String>,
    places: HashMap<String, usize>,
    rows: Vec<Vec<Value>>,
    share: &'a mut Share,
    /// Why nothing more is read, when that is for want of memory.
    refused: Option<ToolError>,
}

impl<'a> Building<'a> {
    fn of(share: &'a mut Share) -> Self {
        Self {
            columns: Vec::new(),
            places: HashMap::new(),
            rows: Vec::new(),
            share,
            refused: None,
        }
    }

    fn grow<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.share.grow(bytes as u64).map_err(|error| {
            let told = E::custom(&error);
            self.refused = Some(error);
            told
        })
    }

    /// The column of this name, which is made when there is none.
    fn place<E: Error>(&mut self, name: String) -> Result<usize, E> {
        if let Some(place) = self.places.get(&name) {
            return Ok(*place);
        }
        if self.columns.len() == COLUMNS_MAX {
            let many = format!("it has more than {COLUMNS_MAX} columns");
            return Err(E::custom(many));
        }
        self.grow(4 * (name.len() + ALLOCATION))?;
        self.columns.push(name.clone());
        self.places.insert(name, self.columns.len() - 1);
        Ok(self.columns.len() - 1)
    }

    fn fault(self, why: String) -> Fault {
        self.refused.map_or(Fault::Table(why), Fault::Memory)
    }

    fn table(mut self) -> Result<Table, Fault> {
        let count = self.columns.len();
        let missing: usize = self.rows.iter().map(|row| count - row.len()).sum();
        // A row that grows is copied to a larger place.
        self.share.hold::<Value>(missing, 0)?;
        for row in &mut self.rows {
            row.reserve_exact(count - row.len());
            row.resize(count, Value::Null);
        }
        match count {
            0 => Err("it has no columns".to_owned().into()),
            _ => Ok(Table {
                columns: named(self.columns.iter().map(String::as_str)),
                rows: self.rows,
            }),
        }
    }
}

type Shared<'a, 's> = &'a RefCell<Building<'s>>;

/// What a visitor says to a value that is none of its own.
macro_rules! refused {
    ($($visit:ident: $of:ty),*) => {$(
        fn $visit<E: Error>(self, _: $of) -> Result<Self::Value, E> {
            Err(self.refusal())
        }
    )*};
}

/// A list of rows, or one row.
struct List<'a, 's>(Shared<'a, 's>);

impl List<'_, '_> {
    fn refusal<E: Error>(&self) -> E {
        E::custom("it is no list of JSON objects")
    }
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of JSON objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Row(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, pairs: A) -> Result<(), A::Error> {
        Row(self.0).visit_map(pairs)
    }

    refused!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(self.refusal())
    }
}

/// One row.
struct Row<'a, 's>(Shared<'a, 's>);

impl Row<'_, '_> {
    fn refusal<E: Error>(&self) -> E {
        let number = self.0.borrow().rows.len() + 1;
        E::custom(format!("entry {number} is no JSON object"))
    }
}

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let known = self.0.borrow().columns.len();
        let cells = |count: usize| (count + 1) * size_of::<Value>() + ALLOCATION;
        self.0.borrow_mut().grow(cells(known))?;
        let mut row = Vec::with_capacity(known);
        while let Some(name) = pairs.next_key::<String>()? {
            let place = self.0.borrow_mut().place(name)?;
            let value = pairs.next_value_seed(Counted(self.0))?;
            if row.len() <= place {
                if place >= known {
                    self.0.borrow_mut().grow(2 * size_of::<Value>())?;
                }
                row.resize(place + 1, Value::Null);
            }
            row[place] = value;
        }
        let mut building = self.0.borrow_mut();
        building.rows.push(row);
        bounded(building.rows.len(), building.columns.len()).map_err(A::Error::custom)
    }

    refused!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(self.refusal())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.refusal())
    }
}

/// Any value; the room for itself is its holder's to count.
struct Counted<'a, 's>(Shared<'a, 's>);

impl Counted<'_, '_> {
    fn grow<E: Error>(&self, bytes: usize) -> Result<(), E> {
        self.0.borrow_mut().grow(bytes)
    }
}

impl<'de> DeserializeSeed<'de> for Counted<'_, '_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.grow(value.len() + ALLOCATION)?;
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Counted(self.0))? {
            self.grow(2 * size_of::<Value>())?; // a vector grows to twice its size
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = pairs.next_key::<String>()? {
            let tree = if object.is_empty() { OBJECT } else { ENTRY };
            self.grow(tree + name.len() + ALLOCATION)?;
            object.insert(name, pairs.next_value_seed(Counted(self.0))?);
        }
        Ok(object.into())
    }
}
