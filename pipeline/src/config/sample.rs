//! `--sample`: the share of the documents that a quick pass takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A share of the documents, above 0 and up to all of them.
// In parts of a billion: a plan is written as JSON and read again, and the share must be the same to the last bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleShare(u32);

const ALL: u32 = 1_000_000_000;

impl SampleShare {
    /// The share that a manifest names.
    pub fn of(fraction: f64) -> SampleShare {
        SampleShare((fraction * f64::from(ALL)).round() as u32)
    }

    /// The share, up to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(ALL)
    }
}

impl FromStr for SampleShare {
    type Err = String;

    /// Reads `1%` or `0.5%`.
    fn from_str(text: &str) -> Result<SampleShare, String> {
        let help = "write a share of the documents, such as 1% or 0.5%";
        let Some(percent) = text.trim().strip_suffix(['%', '％']) else { return Err(help.to_owned()) };
        let percent: f64 = percent.trim().parse().map_err(|_| help.to_owned())?;
        let parts = (percent * f64::from(ALL) / 100.0).round();
        // NaN is in no range.
        if (1.0..=f64::from(ALL)).contains(&parts) {
            Ok(SampleShare(parts as u32))
        } else {
            Err(format!("{help}: more than 0%, and at most 100%"))
        }
    }
}

impl fmt::Display for SampleShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / f64::from(ALL / 100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        let parse = |text: &str| text.parse::<SampleShare>();
        for (text, fraction) in
            [("1%", 0.01), ("0.5 %", 0.005), (" 100%", 1.0), ("0.0000001%", 1e-9), ("1e1％", 0.1)]
        {
            assert_eq!(parse(text).map(SampleShare::fraction), Ok(fraction), "{text}");
        }
        for text in ["", "%", "1", "0.01", "0%", "-1%", "101%", "abc", "abc%", "NaN%", "inf%", "0.00000001%"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("0.5%").map(|share| share.to_string()), Ok("0.5 %".to_owned()));
        let shown = ["0.0001%", "7%", "100%"]
            .map(|text| parse(text).map(|share| SampleShare::of(share.fraction()).to_string()));
        assert_eq!(shown, ["0.0001 %", "7 %", "100 %"].map(|text| Ok(text.to_owned())));
    }
}
