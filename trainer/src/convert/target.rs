//! The forms that can be written, and what of a model's function has no place in them.

use crate::error::Error;
use crate::model::Architecture;
use crate::model::config::{Activation, ModelConfig};

/// A form to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `model.safetensors` and `config.json`, as transformers has them.
    HuggingFace,
    /// A checkpoint of TensorFlow 1 with `bert_config.json` or `albert_config.json`, as google-research/bert and
    /// google-research/albert have them.
    Google,
    /// `model.bin` and `config.json` of UER-py and TencentPretrain.
    Uer,
}

/// The epsilon of google-research/bert, which its config does not name.
const GOOGLE_EPSILON: f64 = 1e-12;

impl Target {
    /// Every form by its name on the command line.
    pub const NAMES: [(&str, Target); 3] =
        [("hf", Target::HuggingFace), ("tf1", Target::Google), ("uer", Target::Uer)];

    /// Whose form it is, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Target::HuggingFace => "Hugging Face's",
            Target::Google => "Google's",
            Target::Uer => "UER's",
        }
    }

    /// The config of the model that is written: the source's, unless the form cannot hold a value that is `accepted` to change.
    ///
    /// # Errors
    /// Every value that it cannot hold and that is not accepted to change, and every name in `accepted` that changes nothing.
    pub(super) fn config(self, source: &ModelConfig, accepted: &[String]) -> Result<ModelConfig, Error> {
        let mut config = source.clone();
        let mut problems = Vec::new();
        let mut changes: Vec<(&str, String)> = Vec::new();
        match self {
            Target::HuggingFace => {}
            Target::Google => {
                if source.hidden_act == Activation::Gelu {
                    let what = "`hidden_act` is GELU by the error function, and google-research/bert's \"gelu\" is the tanh form";
                    changes.push(("hidden_act", what.to_owned()));
                    config.hidden_act = Activation::GeluNew;
                }
                let epsilon = source.layer_norm_eps;
                if epsilon != GOOGLE_EPSILON {
                    let what = format!(
                        "`layer_norm_eps` is {epsilon:e}, and google-research/bert's is {GOOGLE_EPSILON:e}"
                    );
                    changes.push(("layer_norm_eps", what));
                    config.layer_norm_eps = GOOGLE_EPSILON;
                }
                if source.architecture() == Architecture::Albert
                    && source.embedding_width() == source.hidden_size
                {
                    problems.push(
                        "`embedding_size` is `hidden_size`, where google-research/albert has no product between them: it cannot be \
                         written in this form"
                            .to_owned(),
                    );
                }
                if !source.is_tied() {
                    problems.push(
                        "the MLM head has a decoder of its own (`tie_word_embeddings` is false), and google-research/bert \
                         decodes by the word embeddings: it cannot be written in this form"
                            .to_owned(),
                    );
                }
            }
            Target::Uer => {
                if source.type_vocab_size != 2 {
                    problems.push(format!(
                        "`type_vocab_size` is {}, and UER has two segments beside padding: it cannot be written in this form",
                        source.type_vocab_size
                    ));
                }
            }
        }
        for (key, what) in &changes {
            if !accepted.iter().any(|accepted| accepted == key) {
                problems.push(format!(
                    "{what}: the model would compute something else. Give --accept-changes {key} to write it all the same; the \
                     check then says by how much logits differ"
                ));
            }
        }
        for name in accepted.iter().filter(|name| !changes.iter().any(|(key, _)| key == name)) {
            problems.push(format!("--accept-changes {name}: nothing of this name changes; leave it out"));
        }
        if problems.is_empty() { Ok(config) } else { Err(Error::Settings(problems)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(activation: &str, more: &str) -> ModelConfig {
        let text = format!(
            r#"{{"vocab_size": 10, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
            "hidden_act": "{activation}" {more}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_a_form_cannot_hold_is_never_exchanged_silently() {
        let gelu = config("gelu", "");
        assert_eq!(Target::HuggingFace.config(&gelu, &[]).unwrap(), gelu);
        assert_eq!(Target::Uer.config(&gelu, &[]).unwrap(), gelu);
        let message = Target::Google.config(&gelu, &[]).unwrap_err().to_string();
        assert!(message.contains("--accept-changes hidden_act"), "{message}");
        let accepted = ["hidden_act".to_owned()];
        assert_eq!(Target::Google.config(&gelu, &accepted).unwrap(), config("gelu_new", ""));
        assert!(Target::Google.config(&config("gelu_new", ""), &accepted).is_err());
        assert!(Target::Google.config(&config("relu", ""), &[]).is_ok());
        let epsilon = config("relu", r#", "layer_norm_eps": 1e-5"#);
        assert!(Target::Google.config(&epsilon, &[]).unwrap_err().to_string().contains("layer_norm_eps"));
        let untied = config("relu", r#", "tie_word_embeddings": false"#);
        assert!(Target::Google.config(&untied, &[]).unwrap_err().to_string().contains("tie_word_embeddings"));
        let segments = config("relu", r#", "type_vocab_size": 1"#);
        assert!(Target::Uer.config(&segments, &[]).unwrap_err().to_string().contains("type_vocab_size"));
    }
}
