//! The model card of an exported model.

use std::fmt::Write;

use serde_json::Value;

use crate::checkpoint::State;
use crate::config::without_places;

/// `README.md`, as Hugging Face shows it.
pub(super) fn model_card(state: &State) -> String {
    let class = state.model["architectures"][0].as_str().unwrap_or("BertForPreTraining");
    let name = class.trim_end_matches("ForPreTraining").to_uppercase();
    let mut text = format!(
        "---\nlanguage: zh\nlibrary_name: transformers\npipeline_tag: fill-mask\nmask_token: \"[MASK]\"\n---\n\n# {name}, \
         pretrained with quanci\n\n```python\nfrom transformers import AutoTokenizer, {class}\n\nmodel = \
         {class}.from_pretrained(\"THIS FOLDER\")\ntokenizer = AutoTokenizer.from_pretrained(\"THIS FOLDER\")\n```\n\n",
    );
    let model = |key: &str| state.model.get(key).map_or(String::new(), Value::to_string);
    let mut line = |what: &str, value: String| {
        writeln!(text, "| {what} | {value} |").expect("a String takes all that is written");
    };
    line("", String::new());
    line("---", "---".to_owned());
    line("layers", model("num_hidden_layers"));
    line("hidden size", model("hidden_size"));
    line("attention heads", model("num_attention_heads"));
    line("vocabulary", format!("{} entries, SHA-256 {}", model("vocab_size"), state.vocabulary));
    line("steps", format!("{} ({} skipped)", state.step, state.skipped));
    line("rows and tokens learnt from", format!("{} and {}", state.rows, state.tokens));
    line("data ids", state.data.concat().join(", "));
    text.push_str("\n## Last values of the curves\n\n| | |\n|---|---|\n");
    for (name, value) in state.curves.iter().filter(|(name, _)| !name.starts_with("speed/")) {
        writeln!(text, "| {name} | {value:.6} |").expect("a String takes all that is written");
    }
    let settings = serde_json::to_string_pretty(&without_places(&state.settings)).unwrap_or_default();
    write!(text, "\n## Settings\n\n```json\n{settings}\n```\n").expect("a String takes all that is written");
    text
}
