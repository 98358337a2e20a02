//! Makes jieba's dictionary as it lies in memory, so that the program has it at once. It is made by the code that the
//! program uses for other dictionaries.

use std::path::Path;

#[path = "src/steps/segment/alphabet.rs"]
mod alphabet;
#[allow(dead_code, reason = "what the program alone needs")]
#[path = "src/steps/segment/image.rs"]
mod image;
#[allow(dead_code, reason = "what the program alone needs")]
#[path = "src/steps/segment/trie.rs"]
mod trie;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/steps/segment");
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["alphabet.rs", "image.rs", "trie.rs", "jieba-words.txt.zst"] {
        println!("cargo::rerun-if-changed=src/steps/segment/{name}");
    }
    let compressed =
        std::fs::read(folder.join("jieba-words.txt.zst")).expect("the dictionary is in the repository");
    let lines = zstd::decode_all(compressed.as_slice()).expect("the dictionary is sound");
    let lines = String::from_utf8(lines).expect("the dictionary is sound");
    let entry = |line| {
        let (word, count) = str::split_once(line, ' ').expect("a word and a count");
        (word, count.parse::<u64>().expect("a count"))
    };
    let words = lines.lines().map(entry);
    let total = words.clone().map(|(_, count)| count).sum();
    let image = image::Image::of(words, total).expect("so few words fit");
    // The program may be for another machine than this one.
    let is_big = std::env::var("CARGO_CFG_TARGET_ENDIAN").is_ok_and(|endian| endian == "big");
    let bytes_of = if is_big { u32::to_be_bytes } else { u32::to_le_bytes };
    let bytes: Vec<u8> = image.to_numbers().into_iter().flat_map(bytes_of).collect();
    let out = std::env::var_os("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("jieba.dictionary"), bytes).expect("cargo's folder can be written");
}
