//! The sizes of the field, the defaults of each architecture, and configs that nothing can be built of.

use super::*;

fn shape(layers: i64, hidden: i64) -> ModelConfig {
    let json = serde_json::json!({
        "vocab_size": 21128, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": hidden / 64, "intermediate_size": 4 * hidden,
    });
    serde_json::from_value(json).unwrap()
}

/// The table of the field: encoder and pooler, in millions, for a vocabulary of 21,128 and two segments.
#[test]
fn sizes_are_those_of_the_field() {
    let rows = [
        (2, [3.18, 7.19, 17.65, 31.39]),
        (4, [3.58, 8.77, 23.95, 45.56]),
        (6, [3.98, 10.35, 30.26, 59.74]),
        (8, [4.37, 11.92, 36.56, 73.92]),
        (10, [4.77, 13.50, 42.87, 88.09]),
        (12, [5.17, 15.08, 49.17, 102.27]),
    ];
    for (layers, sizes) in rows {
        for (hidden, millions) in [128, 256, 512, 768].into_iter().zip(sizes) {
            let counted = shape(layers, hidden).encoder_parameters() as f64 / 1e6;
            assert!((counted - millions).abs() < 0.0051, "{layers}/{hidden}: {counted}");
        }
    }
    for (layers, hidden, millions) in [(24, 1024, 325.5), (36, 1024, 476.7), (3, 768, 38.5)] {
        let counted = shape(layers, hidden).encoder_parameters() as f64 / 1e6;
        assert!((counted - millions).abs() < 0.051, "{layers}/{hidden}: {counted}");
    }
}

#[test]
fn operations_are_those_of_the_yardstick() {
    // 15 % of a row through the head.
    let giga = |shape: ModelConfig, length: f64| shape.flops_per_token(length, 0.15 * length) / 1e9;
    assert!((giga(shape(12, 768), 128.0) - 0.540).abs() < 0.005, "{}", giga(shape(12, 768), 128.0));
    assert!((giga(shape(12, 768), 512.0) - 0.581).abs() < 0.005);
    assert!((giga(shape(24, 1024), 128.0) - 1.871).abs() < 0.01);
    assert!((giga(shape(24, 1024), 512.0) - 1.983).abs() < 0.01);
}

#[test]
fn problems_are_told_at_once() {
    let mut bad = shape(2, 128);
    bad.num_attention_heads = 3;
    bad.hidden_dropout_prob = 1.5;
    bad.others.insert("model_type".to_owned(), "roberta".into());
    let problems = bad.problems();
    assert_eq!(problems.len(), 3, "{problems:?}");
    let mut decoder = shape(2, 128);
    decoder.others.insert("is_decoder".to_owned(), true.into());
    assert!(decoder.problems()[0].contains("`is_decoder`"));
}

/// Lan et al. 2020, table 1 (12M, 18M, 60M, 235M for a vocabulary of 30,000), and the config without transformers' keys that
/// Google's archives have.
#[test]
fn an_albert_has_its_papers_sizes_and_transformers_defaults() {
    let albert = |hidden: i64, layers: i64, heads: i64| {
        let text = format!(
            r#"{{"vocab_size": 30000, "embedding_size": 128, "hidden_size": {hidden}, "num_hidden_layers": {layers},
            "num_attention_heads": {heads}, "intermediate_size": {}, "num_hidden_groups": 1, "inner_group_num": 1}}"#,
            4 * hidden
        );
        ModelConfig::parse(text.as_bytes(), Path::new("albert_config.json")).unwrap()
    };
    for (hidden, layers, heads, millions) in
        [(768, 12, 12, 11.68), (1024, 24, 16, 17.68), (2048, 24, 16, 58.72), (4096, 12, 64, 222.6)]
    {
        let counted = albert(hidden, layers, heads).encoder_parameters() as f64 / 1e6;
        assert!((counted - millions).abs() < 0.051, "{hidden}: {counted}");
    }
    let base = albert(768, 12, 12);
    assert_eq!((base.architecture(), base.embedding_width()), (Architecture::Albert, 128));
    assert_eq!((base.hidden_act, base.hidden_dropout_prob), (Activation::GeluNew, 0.0));
    let json: Value = serde_json::from_str(&base.to_json()).unwrap();
    assert_eq!(
        (&json["model_type"], &json["architectures"][0]),
        (&"albert".into(), &"AlbertForPreTraining".into())
    );
    let mut groups = base.clone();
    groups.others.insert("inner_group_num".to_owned(), 2.into());
    assert!(groups.problems()[0].contains("`inner_group_num`"));
    let mut bert = shape(2, 128);
    bert.embedding_size = Some(64);
    assert!(bert.problems()[0].contains("`embedding_size`"));
}

#[test]
fn padded_vocabularies_are_recognised() {
    for (small, large) in [(186, 192), (186, 256), (21_128, 21_184), (30_522, 30_528), (1, 8)] {
        assert!(is_padding(small, large), "{small} {large}");
    }
    for (small, large) in [(186, 186), (192, 186), (186, 190), (186, 320), (0, 8), (i64::MAX, i64::MAX)] {
        assert!(!is_padding(small, large), "{small} {large}");
    }
}

/// Each key that no model can have is named, whatever the others are.
#[test]
fn absurd_numbers_are_refused_by_their_key() {
    type Change = fn(&mut ModelConfig);
    let cases: [(&str, Change); 10] = [
        ("num_hidden_layers", |shape| shape.num_hidden_layers = 1 << 24),
        ("layer_norm_eps", |shape| shape.layer_norm_eps = -1.0),
        ("layer_norm_eps", |shape| shape.layer_norm_eps = 0.0),
        ("initializer_range", |shape| shape.initializer_range = -0.02),
        ("vocab_size", |shape| shape.vocab_size = i64::MAX),
        ("hidden_size", |shape| shape.hidden_size = 0),
        ("intermediate_size", |shape| shape.intermediate_size = -1),
        ("max_position_embeddings", |shape| shape.max_position_embeddings = 1 << 40),
        ("type_vocab_size", |shape| shape.type_vocab_size = 0),
        ("hidden_size", |shape| (shape.hidden_size, shape.num_hidden_layers) = (1 << 16, 1000)),
    ];
    for (key, change) in cases {
        let mut bad = shape(2, 128);
        change(&mut bad);
        let problems = bad.problems();
        assert!(problems.iter().any(|problem| problem.contains(&format!("`{key}`"))), "{key}: {problems:?}");
    }
    assert_eq!(shape(2, 128).problems(), Vec::<String>::new());
}

#[test]
fn a_file_keeps_what_we_do_not_know() {
    let text = r#"{"vocab_size": 10, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 8, "hidden_act": "gelu_new", "directionality": "bidi", "pad_token_id": 3}"#;
    let shape: ModelConfig = serde_json::from_str(text).unwrap();
    assert_eq!(shape.hidden_act, Activation::GeluNew);
    let again: Value = serde_json::from_str(&shape.to_json()).unwrap();
    assert_eq!(again["directionality"], "bidi");
    assert_eq!(again["pad_token_id"], 3);
    assert_eq!(again["hidden_act"], "gelu_new");
}
