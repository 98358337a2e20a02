//! What wikitext reads as.

use super::wikitext::plain;

#[track_caller]
fn check(wikitext: &str, expected: &str) {
    assert_eq!(plain(wikitext), expected, "{wikitext}");
}

#[test]
fn marks_are_gone() {
    check("'''数学'''是''研究''[[数量]]、[[结构 (数学)|结构]]的学科。", "数学是研究数量、结构的学科。");
    check("'''''重'''''\n\n* 甲\n** 乙\n# 丙\n: 丁\n; 戊\n----\n己", "重\n甲\n乙\n丙\n丁\n戊\n己");
    check(
        "甲<ref name=\"a\">[[注]]</ref>乙<ref name=\"a\" />丙<!-- 不显示 -->丁<br />戊<small>己</small>",
        "甲乙丙丁\n戊己",
    );
    check("甲&nbsp;乙&mdash;丙&lt;b&gt;", "甲 乙—丙<b>");
    check("__NOTOC__甲__目录__乙 a__b__c", "甲乙 a__b__c");
    check("<nowiki>[[甲]] '''乙''' &amp;</nowiki>", "[[甲]] '''乙''' &");
    check("设<math>x</math>，则<math>\\frac{1}{2}</math>成立。", "设x，则成立。");
    check("<gallery>\nFile:a.jpg|甲\n</gallery>乙<timeline>丙</timeline><pre>丁</pre>", "乙");
    check("<ruby>漢<rp>(</rp><rt>hàn</rt><rp>)</rp></ruby>字", "漢字");
    check("<三国演义>和 a < b", "<三国演义>和 a < b");
    check("#REDIRECT [[甲]]", "REDIRECT 甲");
}

#[test]
fn links() {
    check("[[File:a.jpg|thumb|[[北京]]的图]]甲[[文件:b.png]][[檔案:c.svg|20px]]", "甲");
    check("甲[[Category:数学]][[分类:学科]][[en:Mathematics]][[zh-yue:數學]]", "甲");
    check("[[:Category:数学]] [[:en:Math|英文]] [[w:甲|]]", "Category:数学 英文 w:甲");
    check("[https://a.cn 官网]、[http://b.cn]、[甲]、[//c.cn 丙 丁]", "官网、、[甲]、丙 丁");
    check("[[甲|乙]丙\n丁", "甲|乙]丙\n丁");
    check("[[未完\n下一行", "未完\n下一行");
    check("[[File:a.jpg|thumb|一行\n又一行]]正文", "正文");
}

#[test]
fn templates() {
    check("{{Infobox\n| 名 = 甲\n| 图 = [[File:a.jpg|20px]]\n| 注 = {{cite|x}}\n}}\n'''甲'''。", "甲。");
    check(
        "{{le|艾伦·图灵|Alan Turing}}和{{link-en|甲|A|乙}}、{{tsl|en|Foo||福}}、{{lang|en|text}}",
        "艾伦·图灵和乙、福、text",
    );
    check("'''图灵'''（{{lang-en|Alan Turing}}，{{IPA|x}}，1912年－）", "图灵（Alan Turing，1912年－）");
    check("'''甲'''（{{lang|x}}，）是（英语：{{foo}}；法语：b）乙（）。", "甲是（法语：b）乙。");
    check("'''甲'''{{bd|1912年|6月23日|1954年|6月7日|catIdx=T}}，", "甲（1912年6月23日－1954年6月7日），");
    check("{{nowrap|1={{small|甲}}}}乙{{未知|甲}}{{!}}", "甲乙|");
    check("{{{1|默认}}}甲{{formatnum:1234}}", "默认甲1234");
    check("甲{{未完|乙\n丙", "甲未完|乙\n丙");
    check("甲}}乙]]丙}-", "甲乙丙}-");
}

#[test]
fn tables() {
    check("甲\n{| class=\"wikitable\"\n|-\n! 头\n| 格 || {{t|a}}\n{|\n| 内\n|}\n|}\n乙", "甲\n乙");
    check(":{|\n| 甲\n|}乙", "乙");
    check("{|\n| {{未完\n| [[x\n|}\n乙", "乙");
    check("<table><tr><td>甲<table></table></td></tr></table>乙", "乙");
    check("{{t|\n{|\n| 甲\n|}\n}}乙", "乙");
}

#[test]
fn language_conversion() {
    check("-{zh-hans:计算机;zh-hant:電腦}-和-{zh-tw:軟體; zh-cn:软件;}-", "计算机和软件");
    check("-{zh-hant:資訊}--{R|原样}--{原文}-", "資訊原样原文");
    check("-{H|zh-cn:甲;zh-tw:乙}--{T|zh-cn:题}-丙-{A|zh-cn:丁;zh-tw:戊}-", "丙丁");
    check("-{zh-hans;zh-hant|甲乙}-，-{zh-cn:[[甲|乙]];zh-tw:丙}-", "甲乙，乙");
    check("a-{{nowrap|甲}} -{未完", "a-甲 未完");
}

#[test]
fn sections() {
    check(
        "== 历史 ==\n甲\n=== 空 ===\n== 参考文献 ==\n{{reflist}}\n=== 书 ===\n* 乙\n== 后 ==\n丙",
        "历史\n甲\n后\n丙",
    );
    check("= 空 =\n== 也空 ==\n", "");
    check("a = b\n=\n==", "a = b");
}

#[test]
fn damage_takes_linear_time() {
    for piece in [
        "[[",
        "{{",
        "{|\n",
        "-{",
        "<ref>",
        "<!--",
        "'''",
        "[http://a ",
        "{{{",
        "<math>",
        "__",
        "（",
        "&",
        "<table>",
        "]]",
        "}}",
        "|",
        "[[a|",
        "{{a|",
    ] {
        let text = piece.repeat(1_000_000 / piece.len());
        let begun = std::time::Instant::now();
        plain(&text);
        assert!(begun.elapsed().as_secs_f64() < 5.0, "{piece}");
    }
}
