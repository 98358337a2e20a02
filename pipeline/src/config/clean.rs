//! The settings `[clean]`, which prepare and vocab runs share.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[clean]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CleanSettings {
    /// Documents with fewer characters (without white space) are dropped.
    pub min_chars: u64,
    /// Documents with a smaller share of Hanzi among their letters and digits are dropped; 0 keeps all.
    pub min_han_ratio: f64,
    /// Longer documents are cut into several.
    pub max_document_chars: u64,
    /// Headings between blank lines belong to the document that follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub join_headings: bool,
    /// Keep one of several documents with the same cleaned text.
    pub dedup: bool,
    /// Keep one of several documents with nearly the same text.
    // Left out where it is off, so that the ids of data sets made without it stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_duplicates: Option<NearDuplicates>,
    /// Keep lines that several documents have in one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_lines: Option<DedupLines>,
    /// What is mended.
    // These are left out where nothing is on, so that the ids of data sets made without them stay as they are.
    #[serde(default, skip_serializing_if = "RepairSettings::is_off")]
    pub repair: RepairSettings,
    /// What is done with text in simplified or traditional characters.
    #[serde(default, skip_serializing_if = "ScriptRule::is_off")]
    pub script: ScriptRule,
    /// What writes one in the characters of the other, if that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converter: Option<String>,
    /// What is done with personal data.
    #[serde(default, skip_serializing_if = "PiiSettings::is_off")]
    pub pii: PiiSettings,
    /// What is dropped besides.
    #[serde(default, skip_serializing_if = "FilterSettings::is_off")]
    pub filter: FilterSettings,
}

impl Default for CleanSettings {
    fn default() -> Self {
        CleanSettings {
            min_chars: 1,
            min_han_ratio: 0.0,
            max_document_chars: 1_000_000,
            join_headings: false,
            dedup: true,
            near_duplicates: None,
            dedup_lines: None,
            repair: RepairSettings::default(),
            script: ScriptRule::Keep,
            converter: None,
            pii: PiiSettings::default(),
            filter: FilterSettings::default(),
        }
    }
}

/// How near-duplicates are found: MinHash with bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearDuplicates {
    /// Characters of an n-gram.
    pub ngram: u32,
    /// Bands: documents that agree in all rows of one are joined.
    pub bands: u32,
    /// Rows of a band.
    pub rows: u32,
}

impl Default for NearDuplicates {
    fn default() -> Self {
        // FineWeb's bands and rows; its n-grams are of five words.
        NearDuplicates { ngram: 5, bands: 14, rows: 8 }
    }
}

/// Which lines are kept in one document only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DedupLines {
    /// Those that this many documents have, or more.
    pub documents: u32,
    /// With this many letters and numbers, or more.
    pub letters: u32,
}

/// What is mended in a document. All of it is off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepairSettings {
    /// Decode UTF-8 again that was read as Windows-1252 or Latin-1.
    pub fix_double_encoding: bool,
    /// Remove tags of HTML and replace its entities.
    pub strip_html: bool,
    /// Remove sentences with U+FFFD.
    pub drop_damaged: bool,
    /// Full-width Latin letters and digits become half-width.
    pub half_width: bool,
    /// Unicode's normal form.
    pub normal_form: NormalForm,
    /// Remove lines that a document has this often; 0 keeps all.
    pub repeated_lines: u64,
    /// Rejoin lines that were cut at a fixed width.
    pub join_wrapped_lines: bool,
}

impl RepairSettings {
    /// True where nothing is mended.
    pub fn is_off(&self) -> bool {
        *self == RepairSettings::default()
    }
}

/// What is done with text in simplified or traditional characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptRule {
    /// Both stay as they are.
    #[default]
    Keep,
    /// Traditional text is written in simplified characters.
    ToSimplified,
    /// Simplified text is written in traditional characters.
    ToTraditional,
    /// Traditional documents are dropped.
    DropTraditional,
    /// Simplified documents are dropped.
    DropSimplified,
}

impl ScriptRule {
    /// All, with their names in settings, the default first.
    pub const NAMES: [(&str, ScriptRule); 5] = [
        ("keep", ScriptRule::Keep),
        ("to_simplified", ScriptRule::ToSimplified),
        ("to_traditional", ScriptRule::ToTraditional),
        ("drop_traditional", ScriptRule::DropTraditional),
        ("drop_simplified", ScriptRule::DropSimplified),
    ];

    /// True where nothing is done.
    pub fn is_off(&self) -> bool {
        *self == ScriptRule::Keep
    }

    /// True where text is written in other characters.
    pub fn converts(self) -> bool {
        matches!(self, ScriptRule::ToSimplified | ScriptRule::ToTraditional)
    }
}

/// A normal form of Unicode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormalForm {
    /// Text stays as it is.
    #[default]
    None,
    /// Composed: é is one character.
    Nfc,
    /// Composed, with compatibility characters replaced; Chinese marks stay.
    Nfkc,
}

/// What is done with personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiiSettings {
    /// What is done with it.
    pub action: PiiAction,
    /// What is looked for.
    pub kinds: Vec<PiiKind>,
}

impl Default for PiiSettings {
    fn default() -> Self {
        PiiSettings { action: PiiAction::Keep, kinds: PiiKind::ALL.to_vec() }
    }
}

impl PiiSettings {
    /// True where nothing is done.
    pub fn is_off(&self) -> bool {
        self.action == PiiAction::Keep
    }
}

/// What is done with personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PiiAction {
    /// It stays.
    Keep,
    /// A fixed text stands for it.
    Replace,
    /// The document is dropped.
    Drop,
}

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PiiKind {
    /// An e-mail address.
    Email,
    /// A public IPv4 address.
    Ip,
    /// A Chinese mobile number.
    Phone,
    /// A Chinese identity card.
    IdCard,
    /// A bank card.
    BankCard,
    /// An account of QQ or WeChat.
    Account,
}

impl PiiKind {
    /// All, in the order of their names.
    pub const ALL: [PiiKind; 6] =
        [PiiKind::Email, PiiKind::Ip, PiiKind::Phone, PiiKind::IdCard, PiiKind::BankCard, PiiKind::Account];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            PiiKind::Email => "email",
            PiiKind::Ip => "ip",
            PiiKind::Phone => "phone",
            PiiKind::IdCard => "id_card",
            PiiKind::BankCard => "bank_card",
            PiiKind::Account => "account",
        }
    }
}

/// Limits for what a document is like. The defaults keep all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterSettings {
    /// Share of symbols among characters.
    pub max_symbol_ratio: f64,
    /// Share of punctuation among characters.
    pub max_punctuation_ratio: f64,
    /// Share of digits among characters.
    pub max_digit_ratio: f64,
    /// Share of kana among letters.
    pub max_kana_ratio: f64,
    /// Share of hangul among letters.
    pub max_hangul_ratio: f64,
    /// Different function characters, such as 的 and 是.
    pub min_stop_chars: u64,
    /// Share of lines that end with a mark.
    pub min_line_end_ratio: f64,
    /// Line breaks per character.
    pub max_line_breaks: f64,
    /// Share of characters in lines like those of menus and lists.
    pub max_list_ratio: f64,
    /// Share of lines that begin with a bullet.
    pub max_bullet_ratio: f64,
    /// Share of lines that end with an ellipsis.
    pub max_ellipsis_ratio: f64,
    /// Share of lines that repeat an earlier one.
    pub max_repeated_lines: f64,
    /// Share of characters in such lines.
    pub max_repeated_line_chars: f64,
    /// Share of characters in the most frequent run of 2, 3 and 4 characters.
    pub max_top_ngrams: [f64; 3],
    /// Share of characters in runs that were there before, of 20, 24, 28, 32, 36 and 40 characters.
    pub max_repeated_ngrams: [f64; 6],
    /// A file of words that are not wanted, one a line.
    #[serde(skip)]
    pub blocked_words: Option<PathBuf>,
    /// The SHA-256 of that file, once it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_words_hash: Option<String>,
    /// Different ones of them that a document may have.
    pub max_blocked_words: u64,
}

impl Default for FilterSettings {
    fn default() -> Self {
        FilterSettings {
            max_symbol_ratio: 1.0,
            max_punctuation_ratio: 1.0,
            max_digit_ratio: 1.0,
            max_kana_ratio: 1.0,
            max_hangul_ratio: 1.0,
            min_stop_chars: 0,
            min_line_end_ratio: 0.0,
            max_line_breaks: 1.0,
            max_list_ratio: 1.0,
            max_bullet_ratio: 1.0,
            max_ellipsis_ratio: 1.0,
            max_repeated_lines: 1.0,
            max_repeated_line_chars: 1.0,
            max_top_ngrams: [1.0; 3],
            max_repeated_ngrams: [1.0; 6],
            blocked_words: None,
            blocked_words_hash: None,
            max_blocked_words: 0,
        }
    }
}

impl FilterSettings {
    /// True where every document passes.
    pub fn is_off(&self) -> bool {
        *self == FilterSettings::default()
    }
}
