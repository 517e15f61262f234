//! Checks a GGUF file before llama.cpp sees it, and reads what it says about itself.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. All
//! counts and lengths in it are the author's claims: each is compared with what
//! the file really holds before anything is read or reserved for it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Keys or tensors in one file; the largest public models have some thousands.
const ENTRIES_MAX: u64 = 100_000;
/// Bytes of a key or of a tensor's name.
const NAME_MAX: u64 = 1024;
/// Bytes of a text value that is kept (the architecture's name is short).
const TEXT_MAX: u64 = 256;
/// Alignment of the tensors' data in bytes, when the file does not say.
const ALIGNMENT_DEFAULT: u32 = 32;
/// The largest alignment that is believed, in bytes.
const ALIGNMENT_MAX: u32 = 1 << 20;

/// What a file says about its model.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// `general.architecture`: `bert`, `llama`, …
    pub architecture: String,
    /// The longest sequence that it was trained for, in tokens.
    pub context_length: u32,
    /// Width of a token's state.
    pub embedding_length: u32,
    /// It writes text (a decoder); otherwise it only encodes.
    pub generates: bool,
}

/// Why a file is not a model that can be loaded.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// It cannot be read, or ends too early.
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It contradicts the format, itself or its size.
    #[error("not a usable GGUF file: {0}")]
    Malformed(String),
}

fn malformed<T>(what: impl Into<String>) -> Result<T, GgufError> {
    Err(GgufError::Malformed(what.into()))
}

/// Checks the whole header and every tensor's place.
///
/// # Errors
/// The first thing that is wrong with the file.
pub fn inspect(path: &Path) -> Result<Summary, GgufError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return malformed("it is not a regular file");
    }
    read(BufReader::with_capacity(64 * 1024, file), metadata.len())
}

/// The same for any reader of `size` bytes.
fn read(source: impl Read, size: u64) -> Result<Summary, GgufError> {
    let mut cursor = Cursor { source, left: size };
    if cursor.bytes(4)? != b"GGUF" {
        return malformed("it does not begin with GGUF");
    }
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        return malformed(format!("version {version} of the format is not known"));
    }
    let (tensors, keys) = (cursor.u64()?, cursor.u64()?);
    if tensors == 0 || tensors > ENTRIES_MAX || keys > ENTRIES_MAX {
        return malformed(format!("it claims {tensors} tensors and {keys} keys"));
    }
    let keys = read_keys(&mut cursor, keys)?;
    let places = read_tensors(&mut cursor, tensors)?;
    check_places(&places, &keys, cursor.left, size)?;
    summarise(&keys, size)
}

/// What is left of the file: nothing is read beyond it.
struct Cursor<R> {
    source: R,
    left: u64,
}

impl<R: Read> Cursor<R> {
    fn take(&mut self, count: u64) -> Result<(), GgufError> {
        match self.left.checked_sub(count) {
            Some(left) => self.left = left,
            None => return malformed("it ends in the middle of its header"),
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        self.take(N as u64)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, GgufError> {
        self.take(count)?;
        let mut bytes = Vec::new();
        self.source.by_ref().take(count).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != count {
            return malformed("it ends in the middle of its header");
        }
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> Result<(), GgufError> {
        self.take(count)?;
        let skipped = io::copy(&mut self.source.by_ref().take(count), &mut io::sink())?;
        if skipped != count {
            return malformed("it ends in the middle of its header");
        }
        Ok(())
    }

    fn name(&mut self) -> Result<String, GgufError> {
        let length = self.u64()?;
        if length == 0 || length > NAME_MAX {
            return malformed(format!("a name of {length} bytes"));
        }
        String::from_utf8(self.bytes(length)?).or_else(|_| malformed("a name that is not UTF-8"))
    }
}

/// The values that are looked at; others are only measured.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(u64),
    Flag(bool),
    Text(String),
    Other,
}

fn read_keys<R: Read>(
    cursor: &mut Cursor<R>,
    count: u64,
) -> Result<HashMap<String, Value>, GgufError> {
    let mut keys = HashMap::new();
    for _ in 0..count {
        let key = cursor.name()?;
        let kind = cursor.u32()?;
        let value = read_value(cursor, kind)?;
        if keys.insert(key.clone(), value).is_some() {
            return malformed(format!("the key {key:?} is there twice"));
        }
    }
    Ok(keys)
}

fn read_value<R: Read>(cursor: &mut Cursor<R>, kind: u32) -> Result<Value, GgufError> {
    Ok(match kind {
        0 | 1 => Value::Number(u64::from(cursor.array::<1>()?[0])),
        2 | 3 => Value::Number(u64::from(u16::from_le_bytes(cursor.array()?))),
        4 | 5 => Value::Number(u64::from(cursor.u32()?)),
        7 => Value::Flag(cursor.array::<1>()?[0] != 0),
        8 => read_text(cursor)?,
        9 => read_array(cursor)?,
        10 | 11 => Value::Number(cursor.u64()?),
        6 => {
            cursor.skip(4)?;
            Value::Other
        }
        12 => {
            cursor.skip(8)?;
            Value::Other
        }
        _ => return malformed(format!("a value of the unknown type {kind}")),
    })
}

fn read_text<R: Read>(cursor: &mut Cursor<R>) -> Result<Value, GgufError> {
    let length = cursor.u64()?;
    if length > TEXT_MAX {
        cursor.skip(length)?;
        return Ok(Value::Other);
    }
    let text = String::from_utf8(cursor.bytes(length)?);
    Ok(text.map_or(Value::Other, Value::Text))
}

fn read_array<R: Read>(cursor: &mut Cursor<R>) -> Result<Value, GgufError> {
    let (kind, count) = (cursor.u32()?, cursor.u64()?);
    let width = match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        8 => {
            // Each text has at least its length, so `left` bounds the count.
            if count > cursor.left / 8 {
                return malformed(format!("an array of {count} texts does not fit"));
            }
            for _ in 0..count {
                let length = cursor.u64()?;
                cursor.skip(length)?;
            }
            return Ok(Value::Other);
        }
        _ => return malformed(format!("an array of the type {kind}")),
    };
    match count.checked_mul(width) {
        Some(bytes) => cursor.skip(bytes)?,
        None => return malformed(format!("an array of {count} values")),
    }
    Ok(Value::Other)
}

/// Where a tensor is: its name, offset in the data and size, in bytes.
struct Place {
    name: String,
    offset: u64,
    bytes: u64,
}

fn read_tensors<R: Read>(cursor: &mut Cursor<R>, count: u64) -> Result<Vec<Place>, GgufError> {
    let mut names = HashSet::new();
    let mut places = Vec::new();
    for _ in 0..count {
        let name = cursor.name()?;
        let dimensions = cursor.u32()?;
        if dimensions == 0 || dimensions > 4 {
            return malformed(format!("the tensor {name:?} has {dimensions} dimensions"));
        }
        let mut shape = [1_u64; 4];
        for length in shape.iter_mut().take(dimensions as usize) {
            *length = cursor.u64()?;
        }
        let kind = cursor.u32()?;
        let offset = cursor.u64()?;
        let Some(bytes) = tensor_bytes(shape, kind) else {
            return malformed(format!(
                "the tensor {name:?} has an impossible shape or type"
            ));
        };
        if !names.insert(name.clone()) {
            return malformed(format!("the tensor {name:?} is there twice"));
        }
        places.push(Place {
            name,
            offset,
            bytes,
        });
    }
    Ok(places)
}

/// Size of a tensor in bytes; `None` when that is no size at all.
fn tensor_bytes(shape: [u64; 4], kind: u32) -> Option<u64> {
    let (block, bytes) = block_of(kind)?;
    if shape.contains(&0) || !shape[0].is_multiple_of(block) {
        return None;
    }
    let elements = shape
        .iter()
        .try_fold(1_u64, |product, length| product.checked_mul(*length))?;
    (elements / block).checked_mul(bytes)
}

/// Elements and bytes of one block of a ggml type.
fn block_of(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),      // F32, I32
        1 | 25 | 30 => (1, 2), // F16, I16, BF16
        24 => (1, 1),          // I8
        27 | 28 => (1, 8),     // I64, F64
        2 | 20 => (32, 18),    // Q4_0, IQ4_NL
        3 => (32, 20),         // Q4_1
        6 => (32, 22),         // Q5_0
        7 => (32, 24),         // Q5_1
        8 => (32, 34),         // Q8_0
        10 => (256, 84),       // Q2_K
        11 | 21 => (256, 110), // Q3_K, IQ3_S
        12 => (256, 144),      // Q4_K
        13 => (256, 176),      // Q5_K
        14 => (256, 210),      // Q6_K
        16 | 35 => (256, 66),  // IQ2_XXS, TQ2_0
        17 => (256, 74),       // IQ2_XS
        18 => (256, 98),       // IQ3_XXS
        19 => (256, 50),       // IQ1_S
        22 => (256, 82),       // IQ2_S
        23 => (256, 136),      // IQ4_XS
        29 => (256, 56),       // IQ1_M
        34 => (256, 54),       // TQ1_0
        39 => (32, 17),        // MXFP4
        _ => return None,
    })
}

fn check_places(
    places: &[Place],
    keys: &HashMap<String, Value>,
    left: u64,
    size: u64,
) -> Result<(), GgufError> {
    let alignment = match keys.get("general.alignment") {
        None => u64::from(ALIGNMENT_DEFAULT),
        Some(Value::Number(n)) if n.is_power_of_two() && *n <= u64::from(ALIGNMENT_MAX) => *n,
        Some(_) => return malformed("its alignment is not a power of two"),
    };
    let header = size - left;
    let data = size.saturating_sub(header.next_multiple_of(alignment));
    for place in places {
        let end = place.offset.checked_add(place.bytes);
        if !place.offset.is_multiple_of(alignment) || end.is_none_or(|end| end > data) {
            return malformed(format!(
                "the tensor {:?} lies outside of the file, which has {data} bytes of data",
                place.name
            ));
        }
    }
    Ok(())
}

fn summarise(keys: &HashMap<String, Value>, size: u64) -> Result<Summary, GgufError> {
    let Some(Value::Text(architecture)) = keys.get("general.architecture") else {
        return malformed("it does not say its architecture");
    };
    if architecture.starts_with("t5") && architecture != "t5encoder" {
        return malformed("models with an encoder and a decoder are not served");
    }
    let number = |key: &str, most: u32| {
        let key = format!("{architecture}.{key}");
        match keys.get(&key) {
            Some(Value::Number(n)) if (1..=u64::from(most)).contains(n) => Ok(*n as u32),
            other => malformed(format!("{key} is {other:?}")),
        }
    };
    number("block_count", 4096)?;
    let causal = keys.get(&format!("{architecture}.attention.causal"));
    let encodes = architecture.contains("bert")
        || architecture == "t5encoder"
        || causal == Some(&Value::Flag(false));
    Ok(Summary {
        size_bytes: size,
        context_length: number("context_length", 1 << 24)?,
        embedding_length: number("embedding_length", 1 << 17)?,
        generates: !encodes,
        architecture: architecture.clone(),
    })
}

#[cfg(test)]
#[path = "gguf_tests.rs"]
mod tests;
