//! Tiny models with random weights, written as GGUF without any library.

use std::path::Path;

/// Width of a token's state in all tiny models.
pub const WIDTH: usize = 32;
const FEED_FORWARD: usize = 64;
const LAYERS: usize = 2;
const HEADS: u32 = 4;
/// Longest sequence of the tiny encoder.
pub const ENCODER_CONTEXT: usize = 64;

/// A GGUF file being put together.
#[derive(Default)]
pub struct Gguf {
    keys: Vec<(String, Vec<u8>)>,
    tensors: Vec<(String, Vec<u64>, Vec<f32>)>,
    random: u64,
}

impl Gguf {
    fn key(&mut self, key: &str, kind: u32, value: Vec<u8>) {
        self.keys.retain(|(existing, _)| existing != key);
        let value = [kind.to_le_bytes().to_vec(), value].concat();
        self.keys.push((key.to_owned(), value));
    }

    pub fn number(&mut self, key: &str, value: u32) {
        self.key(key, 4, value.to_le_bytes().to_vec());
    }

    fn float(&mut self, key: &str, value: f32) {
        self.key(key, 6, value.to_le_bytes().to_vec());
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.key(key, 7, vec![u8::from(value)]);
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key, 8, sized(value.as_bytes()));
    }

    pub fn array(&mut self, key: &str, kind: u32, values: Vec<Vec<u8>>) {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((values.len() as u64).to_le_bytes());
        bytes.extend(values.concat());
        self.key(key, 9, bytes);
    }

    pub fn drop_tensor(&mut self, name: &str) {
        self.tensors.retain(|(existing, ..)| existing != name);
    }

    /// A tensor of random values of this size; the shape has the columns first.
    fn tensor(&mut self, name: &str, shape: &[usize], size: f32) {
        let count = shape.iter().product();
        let values = (0..count).map(|_| self.uniform() * size).collect();
        let shape = shape.iter().map(|length| *length as u64).collect();
        self.tensors.push((name.to_owned(), shape, values));
    }

    fn ones(&mut self, name: &str) {
        self.tensors
            .push((name.to_owned(), vec![WIDTH as u64], vec![1.0; WIDTH]));
    }

    fn zeros(&mut self, name: &str, length: usize) {
        self.tensors
            .push((name.to_owned(), vec![length as u64], vec![0.0; length]));
    }

    /// Between -1 and 1, the same in every run (a linear congruential generator).
    fn uniform(&mut self) -> f32 {
        self.random = self
            .random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.random >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            out.extend(sized(key.as_bytes()));
            out.extend(value);
        }
        let mut data = Vec::new();
        for (name, shape, values) in &self.tensors {
            out.extend(sized(name.as_bytes()));
            out.extend((shape.len() as u32).to_le_bytes());
            out.extend(shape.iter().flat_map(|length| length.to_le_bytes()));
            out.extend(0_u32.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            data.resize(data.len().next_multiple_of(32), 0_u8);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }

    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap();
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

fn common(architecture: &str, context: u32) -> Gguf {
    let mut file = Gguf::default();
    file.text("general.architecture", architecture);
    let key = |name: &str| format!("{architecture}.{name}");
    file.number(&key("context_length"), context);
    file.number(&key("embedding_length"), WIDTH as u32);
    file.number(&key("block_count"), LAYERS as u32);
    file.number(&key("feed_forward_length"), FEED_FORWARD as u32);
    file.number(&key("attention.head_count"), HEADS);
    file
}

/// A Llama-style decoder over bytes, with the special tokens `<unk>`, `<s>`, `</s>`.
pub fn decoder(context: u32) -> Gguf {
    let mut file = common("llama", context);
    file.float("llama.attention.layer_norm_rms_epsilon", 1e-5);
    file.number("llama.rope.dimension_count", WIDTH as u32 / HEADS);
    file.text("tokenizer.ggml.model", "llama");
    let mut words: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).into();
    words.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    let mut kinds = vec![2_u32, 3, 3]; // unknown, control, control
    kinds.resize(words.len(), 6); // bytes
    let count = words.len();
    file.array(
        "tokenizer.ggml.tokens",
        8,
        words.iter().map(|w| sized(w.as_bytes())).collect(),
    );
    file.array(
        "tokenizer.ggml.scores",
        6,
        vec![0.0_f32.to_le_bytes().to_vec(); count],
    );
    file.array(
        "tokenizer.ggml.token_type",
        5,
        kinds.iter().map(|k| k.to_le_bytes().to_vec()).collect(),
    );
    file.number("tokenizer.ggml.unknown_token_id", 0);
    file.number("tokenizer.ggml.bos_token_id", 1);
    file.number("tokenizer.ggml.eos_token_id", 2);
    file.tensor("token_embd.weight", &[WIDTH, count], 1.0);
    file.tensor("output.weight", &[WIDTH, count], 1.0);
    file.ones("output_norm.weight");
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            file.tensor(&name(part), &[WIDTH, WIDTH], 0.3);
        }
        file.tensor(&name("ffn_gate"), &[WIDTH, FEED_FORWARD], 0.3);
        file.tensor(&name("ffn_up"), &[WIDTH, FEED_FORWARD], 0.3);
        file.tensor(&name("ffn_down"), &[FEED_FORWARD, WIDTH], 0.3);
        file.ones(&name("attn_norm"));
        file.ones(&name("ffn_norm"));
    }
    file
}

/// Words of the tiny encoder after its five specials, the first with the id 5.
pub const WORDS: [&str; 4] = ["disk", "free", "song", "space"];

/// A BERT-style encoder with the vocabulary [`WORDS`].
pub fn encoder() -> Gguf {
    let mut file = common("bert", ENCODER_CONTEXT as u32);
    file.float("bert.attention.layer_norm_epsilon", 1e-12);
    file.flag("bert.attention.causal", false);
    file.number("bert.pooling_type", 1);
    file.text("tokenizer.ggml.model", "bert");
    let mut words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .map(str::to_owned)
        .to_vec();
    words.extend(WORDS.map(|word| format!("\u{2581}{word}")));
    let count = words.len();
    file.array(
        "tokenizer.ggml.tokens",
        8,
        words.iter().map(|w| sized(w.as_bytes())).collect(),
    );
    file.number("tokenizer.ggml.token_type_count", 2);
    for (key, id) in [
        ("padding", 0),
        ("unknown", 1),
        ("bos", 2),
        ("eos", 3),
        ("seperator", 3),
    ] {
        file.number(&format!("tokenizer.ggml.{key}_token_id"), id);
    }
    file.tensor("token_embd.weight", &[WIDTH, count], 1.0);
    file.tensor("position_embd.weight", &[WIDTH, ENCODER_CONTEXT], 0.1);
    file.tensor("token_types.weight", &[WIDTH, 2], 0.1);
    file.ones("token_embd_norm.weight");
    file.zeros("token_embd_norm.bias", WIDTH);
    for layer in 0..LAYERS {
        let mut linear = |part: &str, columns: usize, rows: usize| {
            file.tensor(&format!("blk.{layer}.{part}.weight"), &[columns, rows], 0.3);
            file.zeros(&format!("blk.{layer}.{part}.bias"), rows);
        };
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            linear(part, WIDTH, WIDTH);
        }
        linear("ffn_up", WIDTH, FEED_FORWARD);
        linear("ffn_down", FEED_FORWARD, WIDTH);
        for part in ["attn_output_norm", "layer_output_norm"] {
            file.ones(&format!("blk.{layer}.{part}.weight"));
            file.zeros(&format!("blk.{layer}.{part}.bias"), WIDTH);
        }
    }
    file
}
