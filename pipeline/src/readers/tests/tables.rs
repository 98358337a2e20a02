//! CSV, TSV and tables with other separators.

use super::*;

#[test]
fn csv() {
    check(Format::Csv, "", &[]);
    check(Format::Csv, "id,text\n", &[]);
    check(Format::Csv, "\u{feff}text,id\n甲,1\n\"乙,\n\"\"丙\"\"\",2\r\n,3\n", &["甲", "乙,\n\"丙\"", ""]);
    check(Format::Csv, "id,text\n1,甲\n2\n3,乙,丙", &["甲", "!FieldCount 2", "!FieldCount 3,乙,丙"]);
    let bytes = b"id,text\n1,\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\n2,\xe4\xb8\xff\n";
    check(Format::Csv, bytes, &["中中中中", "!InvalidBytes \u{fffd}\u{fffd}"]);
    let both = ReadSettings { text_field: vec!["title".into(), "text".into()], ..settings(Format::Csv) };
    check_with(&both, "text,title\n文,题\n", &["题\n文"]);
    check_with(&both, "text,id\n文,1\n", &["文"]);
}

/// The second of two quotes that are never closed ends the field of the first, and swallows the rows between them.
#[test]
fn stray_quotes_cost_a_counted_row() {
    let rows = "id,text\n1,甲\n2,\"乙说\n3,丙\n4,\"丁说\n5,戊\n";
    check(Format::Csv, rows, &["甲", "!Malformed 2,乙说\n3,丙\n4,丁说", "戊"]);
    // Neither quotes of one line nor doubled ones, nor a space behind the closing one, are stray.
    let sound = "id,text\n1,5\" 和 6\" 的管子\n2,\"他说\"\"好\"\"。\n走了\" \n";
    check(Format::Csv, sound, &["5\" 和 6\" 的管子", "他说\"好\"。\n走了 "]);
}

#[test]
fn tsv() {
    let rows = "label\ttext\n1\t他说\"好\"，走了\n0\t甲,乙\n1\t\"开了不关\n0\t\"好\"吗\n1\t\"他说\"\"好\"\"\"\r\n1\t\"\"\n";
    check(Format::Tsv, rows, &["他说\"好\"，走了", "甲,乙", "\"开了不关", "\"好\"吗", "他说\"好\"", ""]);
}

#[test]
fn tables_that_cannot_be_read_say_so() {
    for (bytes, expected) in
        [("a,b\n1,2\n", "its columns are a, b"), ("text\n甲\n\"乙\n丙\n丁\n", "line 3 opens a quote")]
    {
        let error = read_bytes(bytes, &settings(Format::Csv)).expect_err("unreadable").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn first_records_are_judged_when_a_run_is_planned() {
    let folder = Folder::new();
    let warnings = |name: &str, format: Format, bytes: &str| {
        sniff(&folder.file(name, bytes), &settings(format)).expect("readable").warnings.join("; ")
    };
    let found = warnings("a.csv", Format::Csv, "id,text\n1,甲\n2,乙,丙\n");
    assert!(found.contains("1 of the first 2 records are rejected (1 more or fewer fields"), "{found}");
    assert!(found.contains("at line 3: \"2,乙,丙\""), "{found}");
    let found = warnings("a.jsonl", Format::Jsonl, "{\"text\": \"甲\"}\n{\"text\"\n");
    assert!(found.contains("1 of the first 2 records are rejected (1 malformed record)"), "{found}");
    assert_eq!(warnings("b.csv", Format::Csv, "id,text\n1,甲\n"), "");
    let json = folder.file("a.json", "[{\"text\": \"甲\"}, {\"te");
    assert!(sniff(&json, &settings(Format::Json)).expect_err("cut").to_string().contains("not valid JSON"));
}

fn table(format: Format, field: &str, table: TableSettings) -> ReadSettings {
    ReadSettings { text_field: vec![field.to_owned()], table, ..settings(format) }
}

fn separated(separator: &str) -> TableSettings {
    TableSettings { separator: Some(separator.to_owned()), ..TableSettings::default() }
}

#[test]
fn no_header() {
    let none = TableSettings { header: Some(false), ..TableSettings::default() };
    check_with(&table(Format::Tsv, "2", none.clone()), "体育\t甲\n财经\t\"乙\"\n", &["甲", "乙"]);
    check_with(&table(Format::Csv, "1", none.clone()), "\"甲\n丙\",1\n乙\n", &["甲\n丙", "!FieldCount 乙"]);
    check_with(&table(Format::Csv, "1", none.clone()), "", &[]);
    let error = read_bytes("甲\t乙\n", &table(Format::Tsv, "3", none)).expect_err("no column").to_string();
    assert!(error.contains("has no column 3; its first row has 2"), "{error}");
}

#[test]
fn separators() {
    for separator in [";", "|", "_!_", "\u{1}", "||", "，", "\t"] {
        let rows = format!(
            "id{separator}text\n1{separator}甲,乙\n2{separator}\"丙\"\n3{separator}丁{separator}戊\n"
        );
        let shown = format!("!FieldCount 3{separator}丁{separator}戊");
        check_with(&table(Format::Csv, "text", separated(separator)), rows, &["甲,乙", "丙", &shown]);
    }
    check(Format::Csv, "sep=;\r\nid;text\r\n1;甲,乙\r\n", &["甲,乙"]);
    check(Format::Csv, "\"sep=\t\"\nid\ttext\n1\t甲\n", &["甲"]);
    check_with(&table(Format::Csv, "text", separated(",")), "sep=;\nid,text\n1,甲;乙\n", &["甲;乙"]);
}

#[test]
fn escapes() {
    let escaped = TableSettings { escape: Some('\\'), ..TableSettings::default() };
    let rows = "id,text\n1,\"他说\\\"好, 走\\\"了\"\n2,\"甲\"\"乙\"\n3,\"\\\\\"\n";
    check_with(&table(Format::Csv, "text", escaped.clone()), rows, &["他说\"好, 走\"了", "甲\"乙", "\\"]);
    check_with(&table(Format::Tsv, "text", escaped.clone()), "id\ttext\n1\t\"甲\\\"乙\"\n", &["甲\"乙"]);
    // An odd number of quotes, but none that is left open.
    check_with(&table(Format::Csv, "text", escaped), "text\n\"甲\\\"\n乙\"", &["甲\"\n乙"]);
}

#[test]
fn rows_of_another_width() {
    check(
        Format::Csv,
        "id,text\n1,甲,\n2,乙, ,\n3,丙,x\n4\n",
        &["甲", "乙", "!FieldCount 3,丙,x", "!FieldCount 4"],
    );
    check(Format::Csv, "id,text,,\n1,甲,,\n2,乙\n", &["甲", "乙"]);
    check(Format::Csv, "id,text\n1,甲\nid,text\n2,text\n", &["甲", "!RepeatedHeader id,text", "text"]);
    // The mark of a file that was joined to another stands before its header.
    check(
        Format::Csv,
        "id,text\n1,甲\n\u{feff}id,text\n2,乙\n",
        &["甲", "!RepeatedHeader \u{feff}id,text", "乙"],
    );
    check(Format::Tsv, "id\t\"text\"\n1\t甲\n", &["甲"]);
    let error = read_bytes("text,id,text\n", &settings(Format::Csv)).expect_err("two columns").to_string();
    assert!(error.contains("2 columns named text"), "{error}");
    check_with(&table(Format::Csv, "id", TableSettings::default()), "text,id,text\n甲,1,乙\n", &["1"]);
}
