//! UER's config (models/*_config.json) to that of transformers, and back. What quanci's model does not compute is refused by
//! its key.

use serde_json::{Map, Value, json};

use crate::model::architecture::Architecture;
use crate::model::config::{Activation, ModelConfig};

/// UER's LayerNorm adds so much to the deviation, unless its config says otherwise.
const EPSILON: f64 = 1e-6;

/// What the weights themselves say of a model.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Counted {
    /// Entries of the vocabulary.
    pub(in crate::model) words: i64,
    pub(in crate::model) positions: i64,
    /// None if all layers share one layer's weights.
    pub(in crate::model) layers: Option<i64>,
}

/// True if this is UER's config: its keys are nobody else's.
pub(in crate::model) fn is_uer(config: &Map<String, Value>) -> bool {
    ["heads_num", "layers_num", "feedforward_size"].iter().any(|key| config.contains_key(*key))
}

/// The epsilon of UER's LayerNorm.
pub(in crate::model) fn epsilon(config: &Map<String, Value>) -> f64 {
    config.get("layernorm_eps").and_then(Value::as_f64).unwrap_or(EPSILON)
}

/// The config of the same model for transformers, as an object.
///
/// # Errors
/// Every key that asks for what quanci's model does not compute, or is missing.
pub(in crate::model) fn to_transformers(
    config: &Map<String, Value>,
    counted: Counted,
) -> Result<Map<String, Value>, Vec<String>> {
    let mut problems = refused(config);
    let mut number = |key: &str| {
        let value = config.get(key).and_then(Value::as_i64);
        value.unwrap_or_else(|| {
            problems.push(format!("`{key}` is missing, or no whole number"));
            0
        })
    };
    let (hidden, heads, feedforward) =
        (number("hidden_size"), number("heads_num"), number("feedforward_size"));
    let layers = number("layers_num");
    let is_albert = is_true(config, SHARING);
    let embedded = if is_albert { number("emb_size") } else { hidden };
    match counted.layers {
        _ if !problems.is_empty() => {}
        Some(_) if is_albert => {
            problems.push(format!("`{SHARING}` is true, and each layer of the weights has its own"))
        }
        None if !is_albert => {
            problems.push(format!("the weights have one layer that all share, and `{SHARING}` is not true"));
        }
        Some(counted) if layers != counted => {
            problems.push(format!("`layers_num` is {layers}, and the weights have {counted} layers"));
        }
        _ => {}
    }
    let activation = activation(config, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let dropout = config.get("dropout").cloned().unwrap_or(json!(0.1));
    let mut made = json!({
        "model_type": "bert",
        "vocab_size": counted.words,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": feedforward,
        "hidden_act": activation,
        "hidden_dropout_prob": dropout.clone(),
        "attention_probs_dropout_prob": dropout,
        // The table of positions, as far as the weights have it.
        "max_position_embeddings": counted.positions,
        "type_vocab_size": 2,
    });
    let object = made.as_object_mut().expect("it is written as an object");
    if is_albert {
        let more = json!({ "embedding_size": embedded, "num_hidden_groups": 1, "inner_group_num": 1 });
        object.extend(more.as_object().cloned().unwrap_or_default());
        object.insert("model_type".to_owned(), Architecture::Albert.model_type().into());
    }
    if !is_true(config, "tie_weights") {
        object.insert("tie_word_embeddings".to_owned(), false.into());
    }
    Ok(std::mem::take(object))
}

fn is_true(config: &Map<String, Value>, key: &str) -> bool {
    config.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn activation(config: &Map<String, Value>, problems: &mut Vec<String>) -> Value {
    match config.get("hidden_act").and_then(Value::as_str).unwrap_or("gelu") {
        "gelu" => "gelu".into(),
        "gelu_fast" => "gelu_new".into(),
        "relu" => "relu".into(),
        other => {
            problems.push(format!("`hidden_act` is {other:?}; gelu, gelu_fast and relu are computed"));
            Value::Null
        }
    }
}

/// The keys of an ALBERT.
const SHARING: &str = "parameter_sharing";
const FACTORIZED: &str = "factorized_embedding_parameterization";

/// Keys that ask for another computation than BERT's and ALBERT's.
fn refused(config: &Map<String, Value>) -> Vec<String> {
    let mut problems = Vec::new();
    let flags = [
        "remove_embedding_layernorm",
        "relative_position_embedding",
        "rotary_position_embedding",
        "remove_transformer_bias",
        "remove_attention_scale",
        "has_residual_attention",
        "use_adapter",
    ];
    for key in flags.into_iter().filter(|key| is_true(config, key)) {
        problems.push(format!("`{key}` is true, and quanci's model is a plain BERT"));
    }
    let words: [(&str, &[&str]); 5] = [
        // Older versions had two encoders that compute the same.
        ("encoder", &["transformer", "bert"]),
        ("mask", &["fully_visible"]),
        ("layernorm_positioning", &["post"]),
        ("layernorm", &["normal"]),
        ("feed_forward", &["dense"]),
    ];
    for (key, allowed) in words {
        let Some(value) = config.get(key) else { continue };
        if !value.as_str().is_some_and(|value| allowed.contains(&value)) {
            problems.push(format!("`{key}` is {value}, and quanci's model computes {}", json!(allowed[0])));
        }
    }
    if let Some(value) = config.get("embedding") {
        let named = match value {
            Value::String(joined) => joined.split('_').map(str::to_owned).collect(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::<String>::new(),
        };
        if named != ["word", "pos", "seg"] {
            problems.push(format!("`embedding` is {value}, and quanci's model has word, pos and seg"));
        }
    }
    let size = |key: &str| config.get(key).and_then(Value::as_i64);
    match (is_true(config, SHARING), is_true(config, FACTORIZED)) {
        (true, true) => {}
        (false, false) => {
            if let (Some(embedded), Some(hidden)) = (size("emb_size"), size("hidden_size"))
                && embedded != hidden
            {
                problems.push(format!(
                    "`emb_size` is {embedded} and `hidden_size` {hidden}, and `{FACTORIZED}` is not true, which an ALBERT's is"
                ));
            }
        }
        _ => problems.push(format!("`{SHARING}` and `{FACTORIZED}`: an ALBERT has both, a BERT neither")),
    }
    problems
}

/// UER's config of a model, with these targets.
pub(in crate::model) fn from_transformers(config: &ModelConfig, targets: &[&str]) -> Value {
    let activation = match config.hidden_act {
        Activation::Gelu => "gelu",
        Activation::GeluNew => "gelu_fast",
        Activation::Relu => "relu",
    };
    let is_albert = config.architecture() == Architecture::Albert;
    let mut made = json!({
        "emb_size": config.embedding_width(),
        "feedforward_size": config.intermediate_size,
        "hidden_size": config.hidden_size,
        "hidden_act": activation,
        "heads_num": config.num_attention_heads,
        "layers_num": config.num_hidden_layers,
        "max_seq_length": config.max_position_embeddings,
        "dropout": config.hidden_dropout_prob,
        "data_processor": if !targets.contains(&"sp") { "mlm" } else if is_albert { "albert" } else { "bert" },
        "embedding": ["word", "pos", "seg"],
        "encoder": "transformer",
        "mask": "fully_visible",
        "target": targets,
        "tie_weights": config.is_tied(),
    });
    if is_albert {
        made[FACTORIZED] = true.into();
        made[SHARING] = true.into();
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTED: Counted = Counted { words: 51, positions: 24, layers: Some(2) };

    fn object(more: Value) -> Map<String, Value> {
        let mut config = json!({
            "emb_size": 16, "feedforward_size": 32, "hidden_size": 16, "hidden_act": "gelu", "heads_num": 2, "layers_num": 2,
            "max_seq_length": 24, "dropout": 0.2, "embedding": ["word", "pos", "seg"], "encoder": "transformer",
            "mask": "fully_visible", "target": ["mlm", "sp"], "tie_weights": true,
        });
        let config = config.as_object_mut().unwrap();
        config.extend(more.as_object().unwrap().clone());
        std::mem::take(config)
    }

    #[test]
    fn there_and_back() {
        let made = to_transformers(&object(json!({"hidden_act": "gelu_fast"})), COUNTED).unwrap();
        let config: ModelConfig = serde_json::from_value(Value::Object(made)).unwrap();
        assert_eq!(
            (config.vocab_size, config.num_attention_heads, config.hidden_act),
            (51, 2, Activation::GeluNew)
        );
        assert!(config.is_tied() && config.hidden_dropout_prob == 0.2);
        let back = from_transformers(&config, &["mlm", "sp"]);
        for (key, value) in object(json!({"hidden_act": "gelu_fast"})) {
            assert_eq!(back[&key], value, "{key}");
        }
        let untied = to_transformers(&object(json!({"tie_weights": false})), COUNTED).unwrap();
        assert_eq!(untied["tie_word_embeddings"], false);
        // Before 2022.
        let old = object(json!({"embedding": "word_pos_seg", "encoder": "bert", "target": "bert"}));
        assert!(to_transformers(&old, COUNTED).is_ok());
    }

    #[test]
    fn an_albert_there_and_back() {
        let counted = Counted { layers: None, ..COUNTED };
        let flags = json!({
            "emb_size": 8, "parameter_sharing": true, "factorized_embedding_parameterization": true, "data_processor": "albert",
        });
        let made = to_transformers(&object(flags.clone()), counted).unwrap();
        let config: ModelConfig = serde_json::from_value(Value::Object(made)).unwrap();
        assert_eq!((config.architecture(), config.embedding_width()), (Architecture::Albert, 8));
        let back = from_transformers(&config, &["mlm", "sp"]);
        for (key, value) in object(flags) {
            assert_eq!(back[&key], value, "{key}");
        }
        let problems = to_transformers(&object(json!({})), counted).unwrap_err();
        assert!(problems[0].contains("one layer that all share"), "{problems:?}");
    }

    #[test]
    fn what_is_no_bert_is_refused_by_its_key() {
        for (more, key) in [
            (json!({"emb_size": 8}), "emb_size"),
            (json!({"parameter_sharing": true}), "parameter_sharing"),
            (json!({"factorized_embedding_parameterization": true}), "factorized_embedding_parameterization"),
            (
                json!({"parameter_sharing": true, "factorized_embedding_parameterization": true}),
                "each layer of the weights",
            ),
            (json!({"layernorm_positioning": "pre"}), "layernorm_positioning"),
            (json!({"layernorm": "t5"}), "`layernorm`"),
            (json!({"mask": "causal"}), "mask"),
            (json!({"embedding": ["word", "sinusoidalpos"]}), "embedding"),
            (json!({"encoder": "lstm"}), "encoder"),
            (json!({"hidden_act": "silu"}), "hidden_act"),
            (json!({"layers_num": 3}), "layers_num"),
            (json!({"heads_num": "2"}), "heads_num"),
        ] {
            let problems = to_transformers(&object(more), COUNTED).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains(key)), "{key}: {problems:?}");
        }
    }
}
