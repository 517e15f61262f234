//! Reads the few small tensors of the heads: little-endian F32 in safetensors format.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One tensor, row-major.
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// All tensors of the file.
pub(crate) fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let (length, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or("it is shorter than 8 bytes")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|e| e.to_string())?;
    let (header, data) = rest
        .split_at_checked(length)
        .ok_or("its header is cut off")?;
    let mut header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|e| format!("header: {e}"))?;
    header.remove("__metadata__");
    header
        .into_iter()
        .map(|(name, entry)| {
            let tensor = tensor(entry, data).map_err(|e| format!("tensor {name}: {e}"))?;
            Ok((name, tensor))
        })
        .collect()
}

fn tensor(entry: serde_json::Value, data: &[u8]) -> Result<Tensor, String> {
    let entry: Entry = serde_json::from_value(entry).map_err(|e| e.to_string())?;
    if entry.dtype != "F32" {
        return Err(format!("{} where F32 is expected", entry.dtype));
    }
    let (start, end) = entry.data_offsets;
    let bytes = data.get(start..end).ok_or("its data is outside the file")?;
    let count = entry
        .shape
        .iter()
        .try_fold(4_usize, |n, d| n.checked_mul(*d));
    if count != Some(bytes.len()) {
        return Err("its shape and its size differ".into());
    }
    let values = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    Ok(Tensor {
        shape: entry.shape,
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn a_tensor_is_read_with_its_shape() {
        let header =
            r#"{"__metadata__":{},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
        let mut data = 1.5_f32.to_le_bytes().to_vec();
        data.extend((-2.0_f32).to_le_bytes());
        let tensors = parse(&file(header, &data)).unwrap();
        assert_eq!(tensors["a"].shape, [1, 2]);
        assert_eq!(tensors["a"].values, [1.5, -2.0]);
    }

    #[test]
    fn damaged_files_are_refused() {
        let shape = |s: &str, o: &str| {
            file(
                &format!(r#"{{"a":{{"dtype":"F32","shape":{s},"data_offsets":{o}}}}}"#),
                &[0; 8],
            )
        };
        for bytes in [
            vec![],
            vec![0xff; 8],
            vec![0xff; 64],
            file("{", &[]),
            shape("[3]", "[0,8]"),
            shape("[2]", "[0,80]"),
            shape("[2]", "[8,0]"),
            shape("[18446744073709551615,8]", "[0,8]"),
        ] {
            assert!(parse(&bytes).is_err());
        }
    }
}
