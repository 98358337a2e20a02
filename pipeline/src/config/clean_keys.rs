//! The questions for `[clean]`.

use quanci_settings::{Section, SettingsFile};

use super::clean::{
    CleanSettings, DedupLines, FilterSettings, NearDuplicates, NormalForm, PiiAction, PiiKind, PiiSettings,
    RepairSettings, ScriptRule,
};
use super::format::Format;
use super::preset::Preset;

/// `[clean]` of a prepare run: that of [`clean`], and what compares documents. `formats` are those of the corpora.
pub(super) fn clean_of_prepare(
    source: &SettingsFile,
    root: &Section<'_>,
    formats: &[Format],
) -> CleanSettings {
    let section = root.section("clean");
    let shared = keys(source, &section, formats);
    let (near_duplicates, dedup_lines) = (near_duplicates(&section), dedup_lines(&section));
    let settings = CleanSettings { near_duplicates, dedup_lines, ..shared };
    if settings.near_duplicates.is_some() && !settings.dedup {
        section.problem("near_duplicates", "needs dedup = true: exact repeats are near-duplicates too");
    }
    section.finish();
    settings
}

/// `[clean]`, as far as prepare and vocab runs share it.
pub(super) fn clean(source: &SettingsFile, root: &Section<'_>, formats: &[Format]) -> CleanSettings {
    let section = root.section("clean");
    let settings = keys(source, &section, formats);
    section.finish();
    settings
}

fn keys(source: &SettingsFile, section: &Section<'_>, formats: &[Format]) -> CleanSettings {
    let preset =
        "values for a kind of text, for repairs and filters alike; keys that are written go before it";
    // Asked first: the other defaults depend on it.
    let default = section.choice("preset", preset, &Preset::NAMES).settings();
    let min_chars = "drop documents with fewer characters, white space not counted";
    let min_han_ratio = "drop documents with a smaller share of Hanzi among letters and digits";
    let max_chars = "split documents that are longer, in characters";
    let dedup = "keep only the first of several documents whose cleaned text is identical";
    let script = "simplified and traditional text: keep both, write one in the characters of the other (OpenCC), or drop \
                  documents in one of them";
    CleanSettings {
        min_chars: section.integer("min_chars", min_chars, default.min_chars, 0..=1_000_000),
        min_han_ratio: section.number("min_han_ratio", min_han_ratio, default.min_han_ratio, 0.0..=1.0),
        max_document_chars: section.integer(
            "max_document_chars",
            max_chars,
            default.max_document_chars,
            1000..=100_000_000,
        ),
        join_headings: join_headings(section, formats),
        dedup: section.boolean("dedup", dedup, default.dedup),
        near_duplicates: None,
        dedup_lines: None,
        repair: repair(section, &default.repair),
        script: section.choice("script", script, &ScriptRule::NAMES),
        converter: None,
        pii: pii(section),
        filter: filter(source, section, &default.filter),
    }
}

fn join_headings(section: &Section<'_>, formats: &[Format]) -> bool {
    let help = "join headings that stand alone between blank lines to the document that follows; for `sentences` and \
                `paragraphs`";
    let is_on = section.boolean("join_headings", help, false);
    if is_on && !formats.is_empty() && !formats.iter().any(|format| format.has_blank_lines()) {
        let problem = "has no effect: no [[corpus]] has the format `sentences` or `paragraphs`";
        section.problem("join_headings", problem);
    }
    is_on
}

fn near_duplicates(section: &Section<'_>) -> Option<NearDuplicates> {
    let on =
        "keep only one of several documents that are nearly the same, found by MinHash on character n-grams";
    let ngram = "characters of an n-gram; letters and digits alone count";
    let bands = "bands of a signature: documents that agree in all rows of one band are joined";
    let rows = "rows of a band, each the minimum of one hash over all n-grams";
    let is_on = section.boolean("near_duplicates", on, false);
    let default = NearDuplicates::default();
    let settings = NearDuplicates {
        ngram: section.integer("near_duplicate_ngram", ngram, default.ngram.into(), 2..=50) as u32,
        bands: section.integer("near_duplicate_bands", bands, default.bands.into(), 1..=64) as u32,
        rows: section.integer("near_duplicate_rows", rows, default.rows.into(), 1..=16) as u32,
    };
    for key in ["near_duplicate_ngram", "near_duplicate_bands", "near_duplicate_rows"] {
        // A setting without effect is an error: its user expects one.
        if section.has(key) && !is_on {
            section.problem(key, "needs near_duplicates = true");
        }
    }
    is_on.then_some(settings)
}

fn dedup_lines(section: &Section<'_>) -> Option<DedupLines> {
    /// Chinese sentences of fewer letters are often the same by chance.
    const LETTERS: u64 = 16;
    let on = "keep a line that this many documents have in one of them only; 0 keeps all";
    let letters = "lines with fewer letters and numbers stay";
    let documents = section.integer("dedup_lines", on, 0, 0..=1000);
    let letters = section.integer("dedup_line_letters", letters, LETTERS, 4..=1000);
    if documents == 1 {
        section.problem("dedup_lines", "must be 0, or 2 or more: a line of one document is no repeat");
    }
    if section.has("dedup_line_letters") && documents == 0 {
        section.problem("dedup_line_letters", "needs `dedup_lines`");
    }
    (documents > 0).then_some(DedupLines { documents: documents as u32, letters: letters as u32 })
}

fn repair(section: &Section<'_>, default: &RepairSettings) -> RepairSettings {
    let double = "read UTF-8 again that was read as windows-1252 or latin-1 and saved (`ä»Šå¤©` for 今天)";
    let html = "remove tags and comments of HTML that were left in the text, and replace its entities";
    let damaged = "remove sentences with U+FFFD, which stands for lost bytes";
    let half = "write full-width Latin letters and digits in half width";
    let form = "Unicode's normal form; `nfkc` leaves Chinese marks as they are";
    let repeated = "remove lines of 8 to 100 letters that a document has this often, such as addresses in e-books; 0 keeps all";
    let join = "rejoin lines that were cut at a fixed width, as in old e-books and mails";
    let mut forms = vec![("none", NormalForm::None), ("nfc", NormalForm::Nfc), ("nfkc", NormalForm::Nfkc)];
    // The first choice is the default.
    forms.sort_by_key(|(_, form)| *form != default.normal_form);
    RepairSettings {
        fix_double_encoding: section.boolean("fix_double_encoding", double, default.fix_double_encoding),
        strip_html: section.boolean("strip_html", html, default.strip_html),
        drop_damaged: section.boolean("drop_damaged", damaged, default.drop_damaged),
        half_width: section.boolean("half_width", half, default.half_width),
        normal_form: section.choice("normal_form", form, &forms),
        repeated_lines: one_or_more(section, repeated, default.repeated_lines),
        join_wrapped_lines: section.boolean("join_wrapped_lines", join, default.join_wrapped_lines),
    }
}

fn one_or_more(section: &Section<'_>, help: &'static str, default: u64) -> u64 {
    let least = section.integer("repeated_lines", help, default, 0..=1_000_000);
    if least == 1 {
        section.problem(
            "repeated_lines",
            "= 1 would remove every line: 0 removes none, 2 those that come twice",
        );
    }
    least
}

fn pii(section: &Section<'_>) -> PiiSettings {
    const NAMES: &str = "email, ip, phone, id_card, bank_card and account";
    let action =
        "what is done with personal data: it stays, a fixed text stands for it, or the document is dropped";
    let kinds =
        "which personal data: `email`, `ip`, `phone`, `id_card`, `bank_card`, `account` (QQ and WeChat)";
    let actions = [("keep", PiiAction::Keep), ("replace", PiiAction::Replace), ("drop", PiiAction::Drop)];
    let action = section.choice("pii", action, &actions);
    let Some(names) = section.strings("pii_kinds", kinds, "all") else {
        return PiiSettings { action, ..PiiSettings::default() };
    };
    for name in names.iter().filter(|name| !PiiKind::ALL.iter().any(|kind| kind.name() == **name)) {
        section.problem("pii_kinds", format_args!("has {name:?}; known are {NAMES}"));
    }
    // In one order, so that the data id does not depend on how they are written.
    let kinds: Vec<PiiKind> =
        PiiKind::ALL.into_iter().filter(|kind| names.iter().any(|name| kind.name() == name)).collect();
    if kinds.is_empty() {
        section.problem("pii_kinds", "names none: leave it out, or set pii = \"keep\"");
    } else if action == PiiAction::Keep {
        section.problem("pii_kinds", "needs pii = \"replace\" or \"drop\"");
    }
    PiiSettings { action, kinds }
}

fn filter(source: &SettingsFile, section: &Section<'_>, default: &FilterSettings) -> FilterSettings {
    let share = |key, help, default| section.number(key, help, default, 0.0..=1.0);
    let symbols = "drop documents with a larger share of symbols among their characters";
    let marks = "drop documents with a larger share of punctuation";
    let digits = "drop documents with a larger share of digits";
    let kana = "drop documents with a larger share of kana among their letters";
    let hangul = "drop documents with a larger share of hangul among their letters";
    let stop = "drop documents with fewer different function characters, such as 的, 是, 有, 之";
    let ends = "drop documents with a smaller share of lines that end with a mark";
    let breaks = "drop documents with more line breaks per character";
    let lists = "drop documents with a larger share of characters in short lines without marks, as in menus and lists";
    let bullets = "drop documents with a larger share of lines that begin with a bullet";
    let ellipses = "drop documents with a larger share of lines that end with an ellipsis";
    let lines = "drop documents with a larger share of lines that repeat an earlier one";
    let line_chars = "drop documents with a larger share of characters in such lines";
    let top =
        "drop documents with a larger share of characters in their most frequent run of 2, 3 or 4 characters";
    let repeated = "drop documents with a larger share of characters in runs that were there before, of 20, 24, 28, 32, 36 or 40 characters";
    let words = "a file of words that are not wanted, one a line";
    let blocked = "drop documents with more different ones of these words";
    let settings = FilterSettings {
        max_symbol_ratio: share("max_symbol_ratio", symbols, default.max_symbol_ratio),
        max_punctuation_ratio: share("max_punctuation_ratio", marks, default.max_punctuation_ratio),
        max_digit_ratio: share("max_digit_ratio", digits, default.max_digit_ratio),
        max_kana_ratio: share("max_kana_ratio", kana, default.max_kana_ratio),
        max_hangul_ratio: share("max_hangul_ratio", hangul, default.max_hangul_ratio),
        min_stop_chars: section.integer("min_stop_chars", stop, default.min_stop_chars, 0..=20),
        min_line_end_ratio: share("min_line_end_ratio", ends, default.min_line_end_ratio),
        max_line_breaks: share("max_line_breaks", breaks, default.max_line_breaks),
        max_list_ratio: share("max_list_ratio", lists, default.max_list_ratio),
        max_bullet_ratio: share("max_bullet_ratio", bullets, default.max_bullet_ratio),
        max_ellipsis_ratio: share("max_ellipsis_ratio", ellipses, default.max_ellipsis_ratio),
        max_repeated_lines: share("max_repeated_lines", lines, default.max_repeated_lines),
        max_repeated_line_chars: share(
            "max_repeated_line_chars",
            line_chars,
            default.max_repeated_line_chars,
        ),
        max_top_ngrams: section.numbers("max_top_ngrams", top, &default.max_top_ngrams, 0.0..=1.0),
        max_repeated_ngrams: section.numbers(
            "max_repeated_ngrams",
            repeated,
            &default.max_repeated_ngrams,
            0.0..=1.0,
        ),
        blocked_words_hash: None,
        blocked_words: section.path("blocked_words", words).map(|path| source.join(path)),
        max_blocked_words: section.integer(
            "max_blocked_words",
            blocked,
            default.max_blocked_words,
            0..=1_000_000,
        ),
    };
    // A setting without effect is an error: its user expects one.
    if section.has("max_blocked_words") && settings.blocked_words.is_none() {
        section.problem("max_blocked_words", "needs `blocked_words`");
    }
    settings
}
