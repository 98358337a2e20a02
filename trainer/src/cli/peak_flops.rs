//! What a device could do at most, for model FLOP utilisation.

use tch::Device;

use crate::config::Compute;
use crate::train::Run;

/// Dense matrix products of a kind of device, in 1e12 operations a second: bf16 and fp16, and TF32 (NVIDIA's data sheets,
/// without sparsity). The first entry whose words are all in the driver's name holds: an H100 says "PCIe" or "NVL" where
/// it is not an SXM.
const KNOWN: [(&[&str], f64, f64); 15] = [
    (&["B200"], 2250.0, 1125.0),
    (&["H200", "NVL"], 835.0, 417.5),
    (&["H200"], 989.0, 494.5),
    (&["H100", "PCIe"], 756.0, 378.0),
    (&["H100", "NVL"], 835.0, 417.5),
    (&["H100"], 989.0, 494.5),
    (&["H800", "PCIe"], 756.0, 378.0),
    (&["H800"], 989.0, 494.5),
    (&["H20"], 148.0, 74.0),
    (&["A100"], 312.0, 156.0),
    (&["A800"], 312.0, 156.0),
    (&["L40S"], 362.0, 183.0),
    (&["4090 D"], 147.0, 73.5),
    (&["4090"], 165.2, 82.6),
    (&["V100"], 125.0, 15.7),
];

/// Floating-point operations a second of all devices of a run together in its precision; none where that is not known, or
/// in fp32, whose products do not run on tensor cores.
pub(super) fn peak_flops(run: &Run<'_>) -> Option<f64> {
    let Device::Cuda(index) = run.device else { return None };
    let name = quanci_torch_ext::cuda::device_name(index)?;
    let one = peak_of(&name, run.settings.precision.compute)?;
    Some(one * run.comm.world_size() as f64)
}

fn peak_of(name: &str, compute: Compute) -> Option<f64> {
    let (_, half, tf32) = KNOWN.iter().find(|(words, ..)| words.iter().all(|word| name.contains(word)))?;
    match compute {
        Compute::Bf16 | Compute::Fp16 => Some(half * 1e12),
        Compute::Tf32 => Some(tf32 * 1e12),
        Compute::Fp32 => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_one_name_are_told_apart() {
        let bf16 = |name| peak_of(name, Compute::Bf16).map(|flops| flops / 1e12);
        assert_eq!(bf16("NVIDIA H100 80GB HBM3"), Some(989.0));
        assert_eq!(bf16("NVIDIA H100 PCIe"), Some(756.0));
        assert_eq!(bf16("NVIDIA H100 NVL"), Some(835.0));
        assert_eq!(bf16("NVIDIA H200"), Some(989.0));
        assert_eq!(bf16("NVIDIA H20"), Some(148.0));
        assert_eq!(bf16("NVIDIA GeForce RTX 4090 D"), Some(147.0));
        assert_eq!(bf16("NVIDIA L40S"), Some(362.0));
        assert_eq!(bf16("Tesla T4"), None);
        assert_eq!(peak_of("NVIDIA H200", Compute::Tf32), Some(494.5e12));
        assert_eq!(peak_of("NVIDIA H200", Compute::Fp32), None);
    }
}
