//! Choosing the next token: within the grammar, greedily or at random.

use aios_contracts::v1;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use tonic::Status;

/// Bytes of a grammar.
const GRAMMAR_MAX: usize = 64 * 1024;
/// Opening parentheses in a grammar: its parser recurses at each.
const GRAMMAR_GROUPS_MAX: usize = 2000;
/// Higher temperatures only make noise.
const TEMPERATURE_MAX: f32 = 10.0;

/// How one stream chooses its tokens.
pub(super) struct Picker {
    grammar: Option<LlamaSampler>,
    random: Option<LlamaSampler>,
}

impl Picker {
    /// Refuses with `INVALID_ARGUMENT` what cannot be sampled by.
    pub(super) fn new(model: &LlamaModel, request: &v1::GenerateRequest) -> Result<Self, Status> {
        let temperature = request.temperature;
        if !(0.0..=TEMPERATURE_MAX).contains(&temperature) {
            return Err(Status::invalid_argument(format!(
                "temperature {temperature}; 0 to {TEMPERATURE_MAX} are possible"
            )));
        }
        let random = (temperature > 0.0).then(|| {
            let samplers = [
                LlamaSampler::temp(temperature),
                LlamaSampler::dist(request.seed),
            ];
            LlamaSampler::chain(samplers, true)
        });
        let grammar = match request.grammar.as_str() {
            "" => None,
            text => Some(grammar(model, text)?),
        };
        Ok(Self { grammar, random })
    }

    /// Is the text bound to a grammar?
    pub(super) fn has_grammar(&self) -> bool {
        self.grammar.is_some()
    }

    /// The next token, by the logits in this row of the last decode.
    pub(super) fn pick(
        &mut self,
        context: &LlamaContext<'_>,
        row: i32,
    ) -> Result<LlamaToken, Status> {
        let all = || LlamaTokenDataArray::from_iter(context.candidates_ith(row), false);
        let Some(grammar) = &mut self.grammar else {
            return choose(&mut self.random, all());
        };
        // Most often the free choice is allowed, and trying one token against
        // the grammar is far cheaper than all of the vocabulary.
        let mut token = choose(&mut self.random, all())?;
        if !allows(grammar, token) {
            let mut candidates = all();
            candidates.apply_sampler(grammar);
            candidates
                .data
                .retain(|candidate| candidate.logit() > f32::NEG_INFINITY);
            if candidates.data.is_empty() {
                return Err(Status::failed_precondition(
                    "no token of the model's vocabulary continues the grammar",
                ));
            }
            token = choose(&mut self.random, candidates)?;
        }
        Ok(token)
    }

    /// Tells the grammar which token was taken. It must be one that it allows:
    /// llama.cpp ends the process otherwise.
    pub(super) fn accept(&mut self, token: LlamaToken) {
        if let Some(grammar) = &mut self.grammar {
            grammar.accept(token);
        }
    }
}

fn grammar(model: &LlamaModel, text: &str) -> Result<LlamaSampler, Status> {
    let groups = text.bytes().filter(|byte| *byte == b'(').count();
    if text.len() > GRAMMAR_MAX || groups > GRAMMAR_GROUPS_MAX {
        return Err(Status::invalid_argument("the grammar is too large"));
    }
    LlamaSampler::grammar(model, text, "root").map_err(|_| {
        Status::invalid_argument("the grammar is not valid GBNF with a rule named root")
    })
}

fn allows(grammar: &mut LlamaSampler, token: LlamaToken) -> bool {
    let alone = LlamaTokenData::new(token, 1.0, 0.0);
    let mut alone = LlamaTokenDataArray::new(vec![alone], false);
    alone.apply_sampler(grammar);
    alone
        .data
        .first()
        .is_some_and(|left| left.logit() > f32::NEG_INFINITY)
}

fn choose(
    random: &mut Option<LlamaSampler>,
    mut candidates: LlamaTokenDataArray,
) -> Result<LlamaToken, Status> {
    let chosen = match random {
        Some(random) => {
            candidates.apply_sampler(random);
            candidates.selected_token()
        }
        None => candidates
            .data
            .iter()
            .max_by(|a, b| a.logit().total_cmp(&b.logit()))
            .map(LlamaTokenData::id),
    };
    chosen.ok_or_else(|| Status::internal("the model gave no token"))
}
