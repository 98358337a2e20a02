//! The loss scale of fp16: as large as the gradients bear (torch.amp.GradScaler, its rule and its numbers).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Doubled after so many good steps.
const GROWTH_INTERVAL: u32 = 2000;
const FIRST: f64 = 65536.0;
/// Below this, halving again would help nobody.
const LEAST: f64 = 1.0 / 65536.0;
const MOST: f64 = 1.0 * (1u64 << 40) as f64;

/// The scale and how long it has been good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    scale: f64,
    good_steps: u32,
}

impl Default for Scaler {
    fn default() -> Self {
        Scaler::new()
    }
}

impl Scaler {
    /// The scale that a run begins with.
    pub fn new() -> Scaler {
        Scaler { scale: FIRST, good_steps: 0 }
    }

    /// What the loss is multiplied by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// After each step: `overflowed` gradients halve the scale, a long run of good ones doubles it.
    pub fn update(&mut self, overflowed: bool) {
        if overflowed {
            // The step was skipped; the next one is computed with half the scale.
            self.scale = (self.scale / 2.0).max(LEAST);
            self.good_steps = 0;
            return;
        }
        self.good_steps += 1;
        if self.good_steps == GROWTH_INTERVAL {
            self.scale = (self.scale * 2.0).min(MOST);
            self.good_steps = 0;
        }
    }

    /// For a checkpoint.
    pub fn state(&self) -> Value {
        serde_json::to_value(self).expect("two numbers")
    }

    /// From a checkpoint; one that has no scale, of a run in another precision, leaves it as it is.
    pub fn load(&mut self, state: &Value) {
        if let Ok(scaler) = serde_json::from_value(state.clone()) {
            *self = scaler;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_at_once_and_doubles_slowly() {
        let mut scaler = Scaler::new();
        scaler.update(true);
        assert_eq!(scaler.scale(), 32768.0);
        (0..1999).for_each(|_| scaler.update(false));
        assert_eq!(scaler.scale(), 32768.0);
        scaler.update(false);
        assert_eq!(scaler.scale(), 65536.0);
        let mut other = Scaler::new();
        scaler.update(true);
        other.load(&scaler.state());
        assert_eq!(other, scaler);
        other.load(&Value::Null);
        assert_eq!(other, scaler);
    }
}
