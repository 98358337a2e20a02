//! What the trainer reads. libtorch must be there to build it.

use quanci_trainer::config::PretrainSettings;
use quanci_trainer::model::config::ModelConfig;
use quanci_trainer::model::weights;

use crate::Target;
use crate::inputs::{file, with_file};

/// Of the trainer.
pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target { name: "pickle", seeds: pickle_seeds, run: pickle },
        Target {
            name: "tokenizer",
            seeds: || vec![file("tests/golden/shards-v1/tokenizer.json")],
            run: tokenizer,
        },
        Target { name: "tf1_index", seeds: tf1_seeds, run: tf1_index },
        Target { name: "tf1_block", seeds: tf1_block_seeds, run: tf1_block },
        Target { name: "safetensors", seeds: safetensors_seeds, run: safetensors },
        Target { name: "model_config", seeds: model_config_seeds, run: model_config },
        Target {
            name: "pretrain_settings",
            seeds: || vec![file("configs/pretrain-uer.toml")],
            run: pretrain_settings,
        },
        Target { name: "checkpoint", seeds: || vec![br#"{"step": 1}"#.to_vec()], run: checkpoint },
    ]
}

/// A state dict of one tensor, as `torch.save` writes it since 1.6 and before.
fn pickle_seeds() -> Vec<Vec<u8>> {
    let rebuilt = b"ccollections\nOrderedDict\n)R(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage\
                    ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRu.";
    let pickle = [b"\x80\x02".as_slice(), rebuilt].concat();
    let mut legacy = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    legacy.extend(&pickle);
    legacy.extend(b"\x80\x02]X\x01\0\0\x000a.\x02\0\0\0\0\0\0\0\0\0\x80?\0\0\0@");
    vec![
        zip(&[("archive/data.pkl", &pickle), ("archive/data/0", b"\0\0\x80?\0\0\0@")]),
        legacy,
        pickle,
        file("tests/fixtures/hostile/bin-cycle.bin"),
        file("tests/fixtures/hostile/bin-stride0.bin"),
    ]
}

/// A zip archive that stores files.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut central) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let size = (content.len() as u32).to_le_bytes();
        let at = (bytes.len() as u32).to_le_bytes();
        let name_length = [name.len() as u8, 0, 0, 0];
        let common = [
            [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5a].as_slice(),
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &name_length,
        ]
        .concat();
        bytes.extend([b"PK\x03\x04".as_slice(), &common, name.as_bytes(), content].concat());
        central
            .extend([b"PK\x01\x02".as_slice(), &[20, 0], &common, &[0; 10], &at, name.as_bytes()].concat());
    }
    let at = (bytes.len() as u32).to_le_bytes();
    let count = [files.len() as u8, 0];
    let lengths = [(central.len() as u32).to_le_bytes(), at].concat();
    [bytes, central, [b"PK\x05\x06".as_slice(), &[0; 4], &count, &count, &lengths, &[0, 0]].concat()].concat()
}

fn pickle(bytes: &[u8]) {
    with_file("pytorch_model.bin", bytes, |path| drop(weights::read(path)));
}

fn tokenizer(bytes: &[u8]) {
    with_file("model/tokenizer.json", bytes, |path| {
        if let Ok(tokenizer) = quanci_trainer::text::Tokenizer::open(path.parent().expect("in a folder")) {
            drop(tokenizer.encode("他[MASK] word"));
        }
    });
}

fn tf1_seeds() -> Vec<Vec<u8>> {
    ["plain/bert_model.ckpt", "partitioned/bert_model.ckpt", "adam/model.ckpt-3"]
        .map(|name| file(&format!("tests/golden/tf1-checkpoint/{name}.index")))
        .to_vec()
}

/// An index beside the golden's file of data.
fn tf1_index(bytes: &[u8]) {
    let data = file("tests/golden/tf1-checkpoint/partitioned/bert_model.ckpt.data-00000-of-00001");
    with_file("tf1/model.ckpt.data-00000-of-00001", &data, |_| {});
    with_file("tf1/model.ckpt.index", bytes, |path| drop(weights::read(path)));
}

/// The content of their only data block, which ends before the 5 bytes behind it and two more blocks.
fn tf1_block_seeds() -> Vec<Vec<u8>> {
    let block = |index: Vec<u8>| {
        let end =
            index.windows(8).position(|window| window == [0, 0, 0, 0, 1, 0, 0, 0]).unwrap_or(index.len());
        index[..end.saturating_sub(5)].to_vec()
    };
    tf1_seeds().into_iter().map(block).collect()
}

/// A block with the right checksum, in a table of nothing else.
fn tf1_block(content: &[u8]) {
    let varint = |mut value: usize| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    let sealed = |content: &[u8]| {
        let block = [content, &[0]].concat();
        [&block[..], &quanci_tfrecord::masked_crc(&block).to_le_bytes()].concat()
    };
    let place = [varint(0), varint(content.len())].concat();
    let entry = [&[0, 1, place.len() as u8, 0xff][..], &place, &[0, 0, 0, 0, 1, 0, 0, 0]].concat();
    let data = sealed(content);
    let mut footer = [varint(0), varint(0), varint(data.len()), varint(entry.len())].concat();
    footer.resize(40, 0);
    footer.extend(0xdb47_7524_8b80_fb57u64.to_le_bytes());
    tf1_index(&[data, sealed(&entry), footer].concat());
}

fn safetensors_seeds() -> Vec<Vec<u8>> {
    let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}"#;
    vec![[&(header.len() as u64).to_le_bytes(), header.as_slice(), &[0; 16]].concat()]
}

fn safetensors(bytes: &[u8]) {
    with_file("model.safetensors", bytes, |path| drop(weights::read(path)));
}

fn model_config_seeds() -> Vec<Vec<u8>> {
    vec![file("configs/models/bert-base.json"), file("configs/models/bert-quickstart.json")]
}

fn model_config(bytes: &[u8]) {
    with_file("config.json", bytes, |path| {
        if let Ok(shape) = ModelConfig::read(path) {
            shape.encoder_parameters();
            shape.head_parameters();
            shape.to_json();
        }
    });
}

fn pretrain_settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(PretrainSettings::parse(std::path::Path::new("fuzz.toml"), &text, &[]));
}

fn checkpoint(bytes: &[u8]) {
    with_file("step-0000000001/state.json", bytes, |path| {
        drop(quanci_trainer::checkpoint::Checkpoint::read(path.parent().expect("in a folder")));
    });
}
