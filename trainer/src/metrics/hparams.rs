//! A run's settings for TensorBoard's page HPARAMS, where runs are compared by them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::summaries::{
    Experiment, HparamInfo, HparamsData, MetricInfo, MetricName, SessionStart, Setting, SettingValue,
    SummaryValue,
};

/// The two values that the page is made of: which settings and `metrics` there are, and the run's own.
pub(super) fn hparams(settings: &Value, metrics: &[String], now: f64) -> Vec<SummaryValue> {
    let mut flat = BTreeMap::new();
    flatten("", settings, &mut flat);
    let kind = |value: &SettingValue| match value {
        SettingValue::Text(_) => 1,
        SettingValue::Truth(_) => 2,
        SettingValue::Number(_) => 3,
    };
    let info = |(name, value): (&String, &SettingValue)| HparamInfo { name: name.clone(), kind: kind(value) };
    let metric = |tag: &String| MetricInfo { name: Some(MetricName { tag: tag.clone() }) };
    let experiment = Experiment {
        settings: flat.iter().map(info).collect(),
        metrics: metrics.iter().map(metric).collect(),
    };
    let settings = flat.into_iter().map(|(name, value)| (name, Setting { value: Some(value) }));
    let start = SessionStart { settings: settings.collect(), started: now };
    let of_experiment = HparamsData { experiment: Some(experiment), session_start: None };
    let of_session = HparamsData { experiment: None, session_start: Some(start) };
    vec![
        SummaryValue::hparams("_hparams_/experiment", &of_experiment),
        SummaryValue::hparams("_hparams_/session_start_info", &of_session),
    ]
}

/// Keys as messages and `--set` write them: `optimizer.weight_decay`, `phases[0].steps`. What is not set is left out.
fn flatten(key: &str, value: &Value, into: &mut BTreeMap<String, SettingValue>) {
    let value = match value {
        Value::Object(map) => {
            let dot = if key.is_empty() { "" } else { "." };
            return map.iter().for_each(|(own, value)| flatten(&format!("{key}{dot}{own}"), value, into));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            return (0..)
                .zip(items)
                .for_each(|(at, value): (u64, _)| flatten(&format!("{key}[{at}]"), value, into));
        }
        Value::Null => return,
        Value::Array(_) => SettingValue::Text(value.to_string()),
        Value::Bool(truth) => SettingValue::Truth(*truth),
        Value::String(text) => SettingValue::Text(text.clone()),
        Value::Number(number) => SettingValue::Number(number.as_f64().unwrap_or(f64::NAN)),
    };
    into.insert(key.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_flat() {
        let settings = serde_json::json!({
            "seed": 7, "optimizer": {"name": "adamw", "betas": [0.9, 0.999]}, "phases": [{"steps": 3}], "init": null, "tf32": false,
        });
        let mut flat = BTreeMap::new();
        flatten("", &settings, &mut flat);
        let text = |text: &str| SettingValue::Text(text.to_owned());
        let wanted = [
            ("optimizer.betas", text("[0.9,0.999]")),
            ("optimizer.name", text("adamw")),
            ("phases[0].steps", SettingValue::Number(3.0)),
            ("seed", SettingValue::Number(7.0)),
            ("tf32", SettingValue::Truth(false)),
        ];
        assert_eq!(flat, wanted.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    }
}
