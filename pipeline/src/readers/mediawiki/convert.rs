//! Language conversion of the Chinese Wikipedia: `-{zh-hans:计算机;zh-hant:電腦}-`. Of several forms the one of the mainland
//! is taken.

/// The variants, those that are taken first before the others.
const VARIANTS: [&str; 9] =
    ["zh-cn", "zh-hans", "zh-sg", "zh-my", "zh", "zh-tw", "zh-hant", "zh-hk", "zh-mo"];

/// Appends what is read of the content of `-{…}-`.
pub(super) fn converted(content: &str, text: &mut String) {
    let (flags, rules) = match content.split_once('|') {
        Some((flags, rules)) if is_flags(flags) => (flags, rules),
        _ => ("", content),
    };
    let mut flags = flags.split(';').map(str::trim);
    // Rules for the page, its title, and rules that are taken back: nothing is shown.
    if flags.clone().any(|flag| matches!(flag, "H" | "T" | "-" | "N")) {
        return;
    }
    // As it is, or converted in some variants only.
    if flags.any(|flag| flag == "R" || VARIANTS.contains(&flag)) {
        return text.push_str(rules);
    }
    text.push_str(chosen(rules).unwrap_or(rules));
}

fn is_flags(flags: &str) -> bool {
    flags.split(';').all(|flag| {
        let flag = flag.trim();
        matches!(flag, "" | "A" | "H" | "T" | "-" | "N" | "R" | "D" | "S" | "+") || VARIANTS.contains(&flag)
    })
}

/// The form of the first variant that has one.
fn chosen(rules: &str) -> Option<&str> {
    let mut best: Option<(usize, &str)> = None;
    let mut from = 0;
    // A semicolon ends a rule only where another rule, or nothing, follows.
    while from < rules.len() {
        let Some((variant, form)) = rule(&rules[from..]) else { break };
        let mut end = from;
        loop {
            end = rules[end..].find(';').map_or(rules.len(), |at| end + at);
            if end == rules.len() || rules[end + 1..].trim().is_empty() || rule(&rules[end + 1..]).is_some() {
                break;
            }
            end += 1;
        }
        let form = rules[from + form..end].trim();
        if best.is_none_or(|(there, _)| variant < there) {
            best = Some((variant, form));
        }
        from = end + 1;
    }
    best.map(|(_, form)| form)
}

/// The variant of the rule that `text` begins with, and where its form begins: `zh-cn:…`, `電腦=>zh-cn:…`.
fn rule(text: &str) -> Option<(usize, usize)> {
    let (head, _) = text.split_once(':')?;
    let code = head.rsplit("=>").next()?.trim();
    if head.contains(';') {
        return None;
    }
    Some((VARIANTS.iter().position(|variant| variant.eq_ignore_ascii_case(code))?, head.len() + 1))
}
