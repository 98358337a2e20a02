//! What pages read as.

use super::page_text::page_text;

#[track_caller]
fn check(page: &str, expected: &str) {
    assert_eq!(page_text(page), expected, "{page}");
}

#[test]
fn blocks_are_lines() {
    check("<p>甲</p><p>乙<br>丙</p><div>丁<div>戊</div>己</div>", "甲\n乙\n丙\n丁\n戊\n己");
    check("<h1>题</h1>文<ul><li>一<li>二</ul>", "题\n文\n一\n二");
    check("<p>甲<b>乙</b><i>丙</i> <span>丁</span></p>", "甲乙丙 丁");
    check("<table><tr><td>甲<td>乙<tr><td>丙</table>", "甲 乙\n丙");
    check("<p>今天\n   天气\nsunny\nday</p>", "今天天气 sunny day");
    check("<pre>a\n  b</pre>", "a\nb");
    check("甲&nbsp;乙&amp;lt;&#20013;&mdash;", "甲\u{a0}乙&lt;中—");
    check("<ruby>漢<rp>(</rp><rt>hàn</rt><rp>)</rp></ruby>字", "漢字");
    check("", "");
}

#[test]
fn what_is_no_text_is_gone() {
    check("<head><title>题</title><meta><style>p {}</style><body><p>甲", "甲");
    check("<script>if (a < b) document.write('<p>不</p>')</script><p>甲</p><style>x</style>", "甲");
    check("<nav><a>首页</a></nav><p>甲</p><footer>版权</footer><aside>广告</aside>", "甲");
    check(
        "<form><p>甲</p><label>用户名</label><input><select><option>一</select><button>提交</button></form>",
        "甲",
    );
    check(
        "<p hidden>不</p><p style='display: none'>不</p><div role=navigation>不</div><p aria-hidden=true>不<p>甲",
        "甲",
    );
    check("<!-- 注释 --><p>甲<!-- 注 -->乙</p><noscript>请启用</noscript>", "甲乙");
    check("<textarea><p>不</p></textarea><iframe><p>不</p></iframe>甲", "甲");
    // Links alone are navigation, but no sentences and no headings.
    check(
        "<div><a>首页</a> | <a>新闻</a> | <a>体育</a></div><p>甲<a>乙</a></p><h2><a>题</a></h2><p><a>这是一句。</a></p>",
        "甲乙\n题\n这是一句。",
    );
    // An end tag that is missing hides no more than its parent.
    check("<div><nav>不</div><p>甲</p>", "甲");
    check("<p>甲</p></div></nav></p><p>乙</p>", "甲\n乙");
}

#[test]
fn xhtml_closes_itself() {
    check(
        "<?xml version=\"1.0\"?>\n<html><head><title/><script src=\"a\"/></head><body><a id=\"x\"/><p>甲</p></body></html>",
        "甲",
    );
}

#[test]
fn damage_takes_linear_time() {
    for piece in [
        "<div>",
        "</div>",
        "<nav>",
        "<a",
        "<a b='",
        "<!--",
        "<p><b></p>",
        "<table><tr><td>",
        "&",
        "<script>",
        "<![CDATA[",
        "甲<br>",
        "<a></b>",
        "<b><a></b>",
        "\n",
    ] {
        let page = piece.repeat(1_000_000 / piece.len());
        let begun = std::time::Instant::now();
        page_text(&page);
        assert!(begun.elapsed().as_secs_f64() < 10.0, "{piece}");
    }
}
