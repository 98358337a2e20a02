//! The header of a record of a web archive.

/// What a record begins with; its version follows.
pub(super) const MAGIC: &[u8] = b"WARC/";

/// What a record holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// An answer of a server, with its own header.
    Response,
    /// A page without the answer that it came with, or its text.
    Resource,
    /// A request, metadata, or a page that is as it was in another record.
    #[default]
    Other,
}

/// What is read of a record's header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Bytes of the block behind it.
    pub(super) length: u64,
    /// False until its length was read.
    pub(super) has_length: bool,
    /// Of a `resource` and a `conversion`: what the block is.
    pub(super) content_type: String,
    /// What was fetched.
    pub(super) uri: String,
}

impl Header {
    /// Takes a line of the header.
    pub(super) fn add(&mut self, line: &[u8]) {
        let Some((name, value)) = field(line) else { return };
        match name.to_ascii_lowercase().as_str() {
            "warc-type" => {
                self.kind = match value.to_ascii_lowercase().as_str() {
                    "response" => Kind::Response,
                    "resource" | "conversion" => Kind::Resource,
                    _ => Kind::Other,
                }
            }
            "content-length" => {
                let length = value.parse();
                self.has_length = length.is_ok();
                self.length = length.unwrap_or(0);
            }
            "content-type" => {
                // Answers that were kept with their header name it so; all others are what they are.
                value.clone_into(&mut self.content_type);
            }
            // Some programs write `<` and `>` around it.
            "warc-target-uri" => self.uri = value.trim_matches(['<', '>']).to_owned(),
            _ => {}
        }
    }
}

/// The name and the value of a line of a header, of a record or of HTTP.
pub(super) fn field(line: &[u8]) -> Option<(String, String)> {
    let line = String::from_utf8_lossy(line);
    let (name, value) = line.split_once(':')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}
