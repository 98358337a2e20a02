//! `[clean]` from outside: repairs and filters with their counts, samples and settings.

use integration_tests::{Place, Ran};

use crate::place;

fn prepared(text: &str, clean: &str) -> (Place, Ran) {
    let place = place();
    place.write("a.txt", text);
    place.settings("name = \"a\"\nformat = \"files\"\npaths = [\"a.txt\"]", &format!("[clean]\n{clean}\n"));
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    (place, ran)
}

fn counters(place: &Place) -> serde_json::Value {
    let manifest = std::fs::read_to_string(place.join("out/manifest.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&manifest).unwrap()["counters"].clone()
}

const WRAPPED: &str = "\
    清晨的河面上起了一层薄雾，渔船一只接一只地离开
码头，船夫们低声说着话。老人坐在门口修补渔网，嘴里
哼着几十年前的小调，针线在他手里一来一去，从不看一
眼。孩子问他：“今天不出去吗？”
    他抬起头来，看了看天边的云，又看了看孩子的脸。
“风要来了，”他说，“等过了午后再说罢。”孩子于是
也坐下来，学着他的样子，把断了的线一根一根接起来，
直到母亲在屋里喊他们吃饭。
";

#[test]
fn wrapped_lines() {
    let (plain, told) = prepared(WRAPPED, "");
    assert!(counters(&plain)["repaired"].is_null(), "{}", told.err);
    let (joined, told) = prepared(WRAPPED, "join_wrapped_lines = true");
    let repaired = &counters(&joined)["repaired"];
    assert_eq!(repaired["counts"]["wrapped_line"], 5, "{repaired}");
    assert!(repaired["samples"]["wrapped_line"][0]["text"].as_str().unwrap().contains("离开"), "{repaired}");
    told.says(&["5 × line cut at a fixed width, joined to the next, for example in"]);
    let sentences = |place: &Place| counters(place)["read"]["sentences"].as_u64().unwrap();
    assert!(sentences(&joined) < sentences(&plain));
    // The vocabulary's run counts it too.
    let place = place();
    place.write("a.txt", WRAPPED);
    let clean = "[clean]\njoin_wrapped_lines = true\n[vocabulary]\npath = \"v/vocab.txt\"\n";
    place.write("vocab.toml", format!("[[corpus]]\nformat = \"files\"\npaths = [\"a.txt\"]\n{clean}"));
    place.run(&["vocab", "vocab.toml"]).exits(0).says(&["5 × line cut at a fixed width"]);
}

#[test]
fn headings_that_stand_alone() {
    const CHAPTERS: &str = "第一章 清晨\n\n河面上起了一层薄雾。\n渔船离开了码头。\n\n第二章 午后\n\n老人坐在门口修补渔网。\n\n孩子也坐了下来。\n";
    let place = place();
    place.write("a.txt", CHAPTERS);
    let run = |format: &str, clean: &str| {
        let corpus = format!("name = \"a\"\nformat = \"{format}\"\npaths = [\"a.txt\"]");
        let instances = "[instances]\nobjective = \"mlm\"";
        place.settings(&corpus, &format!("[clean]\n{clean}\n{instances}\n"));
        place.run(&["prepare", "run.toml", "--force"])
    };
    for (format, clean, documents, joined) in [
        ("paragraphs", "", 5, None),
        ("paragraphs", "join_headings = true", 3, Some(2)),
        ("sentences", "join_headings = true", 3, Some(2)),
    ] {
        let ran = run(format, clean).exits(0);
        let counters = counters(&place);
        assert_eq!(counters["read"]["documents"], documents, "{format} {clean}");
        assert_eq!(counters["repaired"]["counts"]["joined_heading"].as_u64(), joined, "{format} {clean}");
        assert_eq!(
            ran.err.contains("2 × heading that stood alone, joined to what follows"),
            joined.is_some()
        );
    }
    // Nothing to be joined in other formats: its user would wait for it in vain.
    run("files", "join_headings = true").exits(2).says(&["clean.join_headings", "has no effect"]);
    place.write(
        "vocab.toml",
        "[[corpus]]\nformat = \"paragraphs\"\npaths = [\"a.txt\"]\n[clean]\njoin_headings = true\n[vocabulary]\npath = \"v/vocab.txt\"\n",
    );
    place.run(&["vocab", "vocab.toml"]).exits(0).says(&["2 × heading that stood alone"]);
}

#[test]
fn repairs_are_counted() {
    let garbled: String = "今天天气不错，我们去公园。".bytes().map(char::from).collect();
    let mark = "本书由某某小说网整理 www.example.com";
    let text = format!(
        "{garbled}\n<p>第一段&nbsp;文字。</p>\n他说\u{fffd}\u{fffd}好。下一句完整。\n１９９３年的ＡＢＣ。\ncafe\u{301} 的事。\n{mark}\n正文一行。\n{mark}\n正文二行。\n{mark}\n"
    );
    let all = "fix_double_encoding = true\nstrip_html = true\ndrop_damaged = true\nhalf_width = true\nnormal_form = \"nfc\"\nrepeated_lines = 3";
    let (place, told) = prepared(&text, all);
    let counts = &counters(&place)["repaired"]["counts"];
    let expected = serde_json::json!({
        "double_encoded": 1, "html_leftover": 3, "damaged_text": 1, "full_width": 1, "other_form": 1, "repeated_line": 3,
    });
    assert_eq!(*counts, expected);
    told.says(&["sentence with U+FFFD, left out", "tag, comment or entity of HTML"]);
}

#[test]
fn presets_and_their_reasons() {
    let prose = "清晨的河面上起了一层薄雾，渔船一只接一只地离开码头。老人坐在门口修补渔网，嘴里哼着几十年前的小调。\n孩子问他今天去不去，他说等风停了就去。\n";
    let menu = "首页 新闻 体育 娱乐 财经 科技 汽车 房产 教育 时尚 旅游 游戏 读书 视频 博客 关于我们 联系方式 网站地图\n";
    let spam = "北京搬家公司，上海搬家公司，广州搬家公司，深圳搬家公司，杭州搬家公司，南京搬家公司，武汉搬家公司。\n";
    let text = format!("{prose}\n{menu}\n{spam}");
    let place = place();
    place.write("a.txt", &text);
    place.settings(
        "name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]",
        "[clean]\npreset = \"web-zh\"\n[instances]\nobjective = \"mlm\"\n",
    );
    let run = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let all: Vec<&str> = ["prepare", "run.toml", "--force"].into_iter().chain(sets).collect();
        place.run(&all).exits(0);
        counters(&place)["dropped"].clone()
    };
    let dropped = run(&[]);
    assert_eq!(dropped["counts"], serde_json::json!({ "line_ends": 1, "stop_chars": 1 }));
    let sample = dropped["samples"]["stop_chars"][0]["text"].as_str().unwrap();
    assert!(sample.starts_with("北京搬家公司"), "{sample}");
    // Each value can be overridden, and the next reason is found.
    let dropped = run(&["clean.min_stop_chars=0"]);
    assert_eq!(dropped["counts"], serde_json::json!({ "line_ends": 1, "frequent_run": 1 }));
    let off = [
        "clean.min_stop_chars=0",
        "clean.min_line_end_ratio=0",
        "clean.max_top_ngrams=[1,1,1]",
        "clean.max_list_ratio=1",
    ];
    assert_eq!(run(&off)["counts"], serde_json::json!({}));
    assert_eq!(run(&["clean.preset=none"])["counts"], serde_json::json!({}));
}

#[test]
fn simplified_and_traditional_text() {
    let text = "臺灣大學的學生們在圖書館裡讀書。\n皇后和太后都來了。\n我们在公园里散步，陈先生没有来。\n";
    let (_, told) = prepared(text, "script = \"to_simplified\"");
    told.says(&["2 × line in traditional or simplified characters, written in the others"]);
    let (place, _) = prepared(text, "script = \"to_traditional\"");
    assert_eq!(counters(&place)["repaired"]["counts"]["converted_script"], 1);
    let mixed = place;
    for (rule, dropped) in [("drop_traditional", 1), ("drop_simplified", 1), ("keep", 0)] {
        mixed.write("b.txt", "臺灣大學的學生們在圖書館裡讀書。\n");
        mixed.write("c.txt", "我们在公园里散步，陈先生没有来。\n");
        let corpus = "name = \"a\"\nformat = \"files\"\npaths = [\"b.txt\", \"c.txt\"]";
        mixed.settings(corpus, &format!("[clean]\nscript = \"{rule}\"\n"));
        mixed.run(&["prepare", "run.toml", "--force"]).exits(0);
        let counts = &counters(&mixed)["dropped"]["counts"];
        assert_eq!(counts["other_script"].as_u64().unwrap_or(0), dropped, "{rule}: {counts}");
    }
    let wrong = mixed.run(&["check", "run.toml", "--set", "clean.script=simplified"]).exits(2);
    wrong.says(&["clean.script", "to_simplified"]);
    let spaces = ["--set", "segment.words=spaces", "--set", "segment.traditional_as_simplified=true"];
    let wrong = mixed.run(&[&["check", "run.toml"], &spaces[..]].concat()).exits(2);
    wrong.says(&["segment.traditional_as_simplified", "needs words = \"jieba\""]);
}

#[test]
fn data_ids_change_only_with_a_new_key() {
    let place = place();
    place.write("a.txt", WRAPPED.replace("一", "二").repeat(2));
    place.settings("name = \"a\"\nformat = \"files\"\npaths = [\"a.txt\"]", "");
    let id = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let all: Vec<&str> = ["prepare", "run.toml", "--force", "--json"].into_iter().chain(sets).collect();
        place.run(&all).exits(0);
        let manifest = std::fs::read_to_string(place.join("out/manifest.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&manifest).unwrap()["data_id"].as_str().unwrap().to_owned()
    };
    let plain = id(&[]);
    assert_eq!(
        plain,
        id(&["clean.preset=none", "clean.join_wrapped_lines=false", "clean.max_digit_ratio=1"])
    );
    assert_ne!(plain, id(&["clean.join_wrapped_lines=true"]));
    assert_ne!(plain, id(&["clean.max_digit_ratio=0.5"]));
    assert_ne!(plain, id(&["clean.script=to_simplified"]));
    // The id that this text had before there was the setting.
    assert_eq!(id(&["segment.traditional_as_simplified=false"]), "f9f6b521246834757914bc381f8662dd");
    place.write("words.txt", "没有的词\n");
    let listed = id(&["clean.blocked_words=words.txt"]);
    assert_ne!(plain, listed);
    place.write("words.txt", "另一个词\n");
    assert_ne!(listed, id(&["clean.blocked_words=words.txt"]));
}

#[test]
fn word_lists() {
    let place = place();
    place.write(
        "a.txt",
        "清晨的河面上起了一层薄雾。\n渔船离开码头。\n\n网上赌博，Casino 开户。\n马上来玩。\n",
    );
    place.write("words.txt", "\u{feff}# 名单\n赌博\ncasino\n");
    let more = "[clean]\nblocked_words = \"words.txt\"\n[instances]\nobjective = \"mlm\"\n";
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]", more);
    place.run(&["check", "run.toml"]).exits(0);
    let ran = place.run(&["prepare", "run.toml"]).exits(0);
    assert!(ran.out.contains("1 words of the list"), "{}", ran.out);
    let allow = ["prepare", "run.toml", "--force", "--set", "clean.max_blocked_words=2"];
    let ran = place.run(&allow).exits(0);
    assert!(!ran.out.contains("words of the list"), "{}", ran.out);
    // Every wrong list is an error of `check` and of the run.
    for (content, says) in [(&b"# nothing\n"[..], "without a word"), (b"\xff\xfe\x00", "not in UTF-8")] {
        place.write("words.txt", content);
        for command in ["check", "prepare"] {
            place
                .run(&[command, "run.toml", "--set", "output.path=other"])
                .exits(3)
                .says(&["words.txt", says]);
        }
    }
    std::fs::remove_file(place.join("words.txt")).unwrap();
    place.run(&["check", "run.toml"]).exits(3).says(&["words.txt"]);
}

#[test]
fn personal_data() {
    let text = "<b>电话13812345678</b>，写信到 zhangsan@mail.example.org。\n身份证号11010519491231002X，QQ：12345678。\n完了。\n\n13912345678\n";
    let place = place();
    place.write("a.txt", text);
    let more = "[clean]\npii = \"replace\"\nstrip_html = true\nmin_han_ratio = 0.1\n[instances]\nobjective = \"mlm\"\n";
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]", more);
    place.run(&["prepare", "run.toml"]).exits(0).says(&["1 × e-mail address", "1 × mobile number"]);
    let all = counters(&place);
    let expected =
        serde_json::json!({ "html_leftover": 2, "email": 1, "phone_number": 1, "id_card": 1, "account": 1 });
    assert_eq!(all["repaired"]["counts"], expected);
    assert_eq!(all["dropped"]["counts"], serde_json::json!({ "not_chinese": 1 }));
    // No sample shows what was replaced.
    let manifest = std::fs::read_to_string(place.join("out/manifest.json")).unwrap();
    let found = ["13812345678", "13912345678", "zhangsan", "11010519491231002X", "12345678。"];
    assert!(found.iter().all(|data| !manifest.contains(data)), "{manifest}");
    let drop =
        ["prepare", "run.toml", "--force", "--set", "clean.pii=drop", "--set", "clean.min_han_ratio=0"];
    place.run(&drop).exits(3).says(&["dropped: 2 mobile number"]);
    let emails = ["--set", "clean.pii_kinds=[\"email\"]"];
    place.run(&[&drop[..], &emails].concat()).exits(0);
    assert_eq!(counters(&place)["dropped"]["counts"], serde_json::json!({ "email": 1 }));
}

#[test]
fn wrong_values() {
    let place = place();
    place.write("a.txt", WRAPPED);
    place.settings("name = \"a\"\nformat = \"files\"\npaths = [\"a.txt\"]", "");
    for (set, says) in [
        (
            "clean.preset=web",
            "`clean.preset` is \"web\"; it must be one of none, web-zh, books-zh, encyclopedia-zh",
        ),
        ("clean.max_digit_ratio=2", "must lie between 0 and 1"),
        ("clean.max_top_ngrams=[0.1]", "must be 3 numbers, not 1"),
        ("clean.repeated_lines=1", "would remove every line"),
        ("clean.max_blocked_words=3", "needs `blocked_words`"),
        ("clean.pii=remove", "it must be one of keep, replace, drop"),
        ("clean.pii_kinds=email", "needs pii = \"replace\" or \"drop\""),
        ("clean.pii_kinds=[\"mail\"]", "has \"mail\"; known are email, ip, phone"),
        ("clean.normal_form=nfd", "it must be one of none, nfc, nfkc"),
        ("clean.join_wraped_lines=true", "did you mean `join_wrapped_lines`?"),
    ] {
        place.run(&["check", "run.toml", "--set", set]).exits(2).says(&[says]);
    }
}

#[test]
fn any_number_of_threads() {
    let menu = "首页 新闻 体育 娱乐 财经 科技 汽车 房产 教育 时尚 旅游 游戏 读书 视频 博客 关于我们\n";
    let text: String = (0..300)
        .map(|i| format!("{menu}{i}\n\n{}\n", WRAPPED.replace("渔船", &format!("渔船{i}"))))
        .collect();
    let place = place();
    place.write("a.txt", &text);
    let more = "[clean]\npreset = \"books-zh\"\n[output]\npath = \"out\"\nbucket_mb = 1\ntask_mb = 1\n";
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]", more);
    let files = |threads: &str| {
        place.run(&["prepare", "run.toml", "--force", "--threads", threads]).exits(0);
        integration_tests::hashes(&place.join("out"))
    };
    assert_eq!(files("1"), files("2"));
}
