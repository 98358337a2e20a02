//! Filters: documents that are not running text, judged by shares of characters and lines, by repetition and by word lists.
//! `docs/en/cleaning.md` has the rules and where their limits come from.

mod kinds;
mod lines;
mod ngrams;
mod words;

use self::kinds::{Kind, Kinds};
use self::lines::Lines;
pub use self::words::BlockedWords;
use crate::config::FilterSettings;
use crate::drops::Reason;

/// Judges cleaned text.
pub(super) struct Filter {
    settings: FilterSettings,
    kinds: Kinds,
    blocked: Option<BlockedWords>,
}

impl Filter {
    /// `None` where every document passes.
    pub(super) fn new(settings: &FilterSettings, blocked: Option<BlockedWords>) -> Option<Filter> {
        (!settings.is_off()).then(|| Filter { settings: settings.clone(), kinds: Kinds::default(), blocked })
    }

    /// Whether a text passes; its lines are not empty.
    pub(super) fn judge(&self, text: &str) -> Result<(), Reason> {
        let limits = &self.settings;
        // Cheap rules first: most junk goes by them.
        let mut counts = Counts::default();
        let mut lines = Lines::default();
        for line in text.split('\n') {
            let before = counts.visible();
            let mut shape = lines.begin(line);
            for c in line.chars() {
                let (kind, stop) = self.kinds.of(c);
                counts.by_kind[kind as usize] += 1;
                counts.stop_chars |= stop;
                shape.add(kind, c);
            }
            lines.end(line, &shape, counts.visible() - before);
        }
        counts.judge(limits)?;
        lines.judge(limits, counts.visible())?;
        if let Some(blocked) = &self.blocked
            && blocked.has_more(text, limits.max_blocked_words)
        {
            return Err(Reason::BlockedWords);
        }
        ngrams::judge(&ngrams::units(text), limits)
    }
}

/// Characters of a text by kind.
#[derive(Default)]
struct Counts {
    by_kind: [u64; Kind::COUNT],
    /// A bit for each function character that was there.
    stop_chars: u64,
}

impl Counts {
    fn of(&self, kinds: &[Kind]) -> f64 {
        kinds.iter().map(|&kind| self.by_kind[kind as usize]).sum::<u64>() as f64
    }

    fn visible(&self) -> u64 {
        self.by_kind.iter().sum::<u64>() - self.by_kind[Kind::Space as usize]
    }

    fn judge(&self, limits: &FilterSettings) -> Result<(), Reason> {
        let visible = self.visible().max(1) as f64;
        let letters = self.of(&[Kind::Han, Kind::Kana, Kind::Hangul, Kind::Letter]).max(1.0);
        let shares = [
            (self.of(&[Kind::Kana]) / letters, limits.max_kana_ratio, Reason::OtherLanguage),
            (self.of(&[Kind::Hangul]) / letters, limits.max_hangul_ratio, Reason::OtherLanguage),
            (self.of(&[Kind::Symbol]) / visible, limits.max_symbol_ratio, Reason::Symbols),
            (self.of(&[Kind::Mark]) / visible, limits.max_punctuation_ratio, Reason::Punctuation),
            (self.of(&[Kind::Digit]) / visible, limits.max_digit_ratio, Reason::Digits),
        ];
        if let Some((.., reason)) = shares.into_iter().find(|(share, limit, _)| share > limit) {
            return Err(reason);
        }
        let few = u64::from(self.stop_chars.count_ones()) < limits.min_stop_chars;
        if few { Err(Reason::StopChars) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(settings: FilterSettings, text: &str) -> Result<(), Reason> {
        Filter::new(&settings, None).map_or(Ok(()), |filter| filter.judge(text))
    }

    fn web(text: &str) -> Result<(), Reason> {
        judge(crate::config::Preset::WebZh.settings().filter, text)
    }

    #[test]
    fn reasons() {
        let prose = "清晨的河面上起了一层薄雾，渔船一只接一只地离开码头。老人坐在门口修补渔网，嘴里哼着几十年前的小调。\n";
        let cases = [
            (prose.to_owned(), Ok(())),
            ("これは日本語の文章です。今日は天気がいいですね。".to_owned(), Err(Reason::OtherLanguage)),
            ("오늘은 날씨가 좋습니다. 漢字.".to_owned(), Err(Reason::OtherLanguage)),
            ("★☆★☆★☆ 有的是 ★☆★☆".to_owned(), Err(Reason::Symbols)),
            ("！！！。。。，，，有的是！！".to_owned(), Err(Reason::Punctuation)),
            ("有的是 13800138000 13900139000 12345".to_owned(), Err(Reason::Digits)),
            ("租房 二手房 写字楼 商铺 别墅 公寓".to_owned(), Err(Reason::StopChars)),
            ("首页\n有的\n新闻中心\n是的\n联系我们\n关于我们".to_owned(), Err(Reason::LineEnds)),
            (prose.repeat(2), Err(Reason::RepeatedLines)),
            (
                "我买手机你买手机他买手机谁都买手机，买手机就来买手机的店，买手机。".to_owned(),
                Err(Reason::FrequentRun),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(web(&text), expected, "{text}");
        }
        let paragraph = "春天到了，老人在院子里种下几棵桃树，每天早晚各浇一遍水，盼着它们早些开花结果。";
        assert_eq!(web(&paragraph.repeat(2)), Err(Reason::RepeatedRuns));
        let list = FilterSettings { max_list_ratio: 0.5, ..FilterSettings::default() };
        let menu = "首页 新闻 体育 娱乐 财经 科技 汽车 房产\n关于我们\n联系方式\n今天天气不错。";
        assert_eq!(judge(list, menu), Err(Reason::ListLike));
        let bullets = FilterSettings { max_bullet_ratio: 0.5, ..FilterSettings::default() };
        assert_eq!(judge(bullets, "- 一\n- 二\n三"), Err(Reason::Bullets));
        let ellipses = FilterSettings { max_ellipsis_ratio: 0.5, ..FilterSettings::default() };
        assert_eq!(judge(ellipses, "一…\n二...\n三"), Err(Reason::Ellipses));
        let breaks = FilterSettings { max_line_breaks: 0.2, ..FilterSettings::default() };
        assert_eq!(judge(breaks, "一二\n三四\n五六"), Err(Reason::LineBreaks));
        assert_eq!(judge(FilterSettings::default(), "一\n一\n一"), Ok(()));
    }
}
