//! What `[clean] preset` stands for: the repairs and filters of a kind of text. The page "Cleaning" of the documents says
//! where each value comes from.

use super::clean::{CleanSettings, FilterSettings, RepairSettings};

/// A named set of values for `[clean]`; each key that is written goes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Nothing is mended or filtered.
    None,
    /// Pages of the web.
    WebZh,
    /// Novels and other books, from e-book sites and scans.
    BooksZh,
    /// Articles of encyclopedias and manuals.
    EncyclopediaZh,
}

impl Preset {
    /// The names, the default first.
    pub const NAMES: [(&str, Preset); 4] = [
        ("none", Preset::None),
        ("web-zh", Preset::WebZh),
        ("books-zh", Preset::BooksZh),
        ("encyclopedia-zh", Preset::EncyclopediaZh),
    ];

    /// Its values.
    pub fn settings(self) -> CleanSettings {
        let default = CleanSettings::default();
        let mended =
            RepairSettings { fix_double_encoding: true, drop_damaged: true, ..RepairSettings::default() };
        match self {
            Preset::None => default,
            Preset::WebZh => CleanSettings {
                min_chars: 40,
                min_han_ratio: 0.2,
                repair: RepairSettings { strip_html: true, ..mended },
                filter: web(),
                ..default
            },
            Preset::BooksZh => CleanSettings {
                min_chars: 40,
                min_han_ratio: 0.5,
                repair: RepairSettings {
                    strip_html: true,
                    join_wrapped_lines: true,
                    repeated_lines: 5,
                    ..mended
                },
                // Tables of contents and refrains are in books too.
                filter: FilterSettings {
                    max_list_ratio: 0.8,
                    min_line_end_ratio: 0.0,
                    max_line_breaks: 1.0,
                    ..web()
                },
                ..default
            },
            Preset::EncyclopediaZh => CleanSettings {
                min_chars: 40,
                min_han_ratio: 0.2,
                repair: RepairSettings { strip_html: true, ..mended },
                // Articles have tables, lists and formulas.
                filter: FilterSettings {
                    max_list_ratio: 0.8,
                    max_digit_ratio: 0.3,
                    max_symbol_ratio: 0.2,
                    max_kana_ratio: 0.3,
                    ..web()
                },
                ..default
            },
        }
    }
}

fn web() -> FilterSettings {
    FilterSettings {
        max_symbol_ratio: 0.2,
        max_punctuation_ratio: 0.35,
        max_digit_ratio: 0.2,
        max_kana_ratio: 0.1,
        max_hangul_ratio: 0.1,
        min_stop_chars: 2,
        min_line_end_ratio: 0.106,
        max_line_breaks: 0.178,
        max_list_ratio: 0.6,
        max_bullet_ratio: 0.9,
        max_ellipsis_ratio: 0.3,
        max_repeated_lines: 0.287,
        max_repeated_line_chars: 0.2,
        max_top_ngrams: [0.256, 0.201, 0.171],
        max_repeated_ngrams: [0.198, 0.182, 0.167, 0.154, 0.140, 0.127],
        ..FilterSettings::default()
    }
}
