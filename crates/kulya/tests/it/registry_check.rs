//! `kulya registry check` in a build: against a git revision, with the outputs of build systems, and with
//! files that are no schemas.

use crate::program::{Ran, command, run};
use std::path::Path;
use std::process::Command;
use tempfile::{TempDir, tempdir};

const ORDER: &str = "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[\n  {\"name\":\"id\",\"type\":\"long\"}]}";
const ORDER_TOTAL: &str = "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[\n  {\"name\":\"id\",\"type\":\"long\"},\n  {\"name\":\"total\",\"type\":\"long\"}]}";
const ORDER_NOTE: &str = "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[\n  {\"name\":\"id\",\"type\":\"long\"},\n  {\"name\":\"note\",\"type\":\"string\",\"default\":\"\"}]}";
const CLICK: &str = "{\n \"type\": \"object\",\n \"properties\": {\n  \"page\": {\"type\": \"string\"}}}";
const CLICK_NUMBER: &str =
    "{\n \"type\": \"object\",\n \"properties\": {\n  \"page\": {\"type\": \"integer\"}}}";
const PACKAGE: &str = r#"{"name":"shop","version":"1.0.0","type":"module","dependencies":{"left-pad":"1"}}"#;
const TSCONFIG: &str =
    r#"{"$schema":"https://json.schemastore.org/tsconfig","compilerOptions":{"strict":true}}"#;
const COMPOSER: &str = r#"{"name":"a/b","type":"library","require":{"php":">=8"}}"#;
const PART: &str = "syntax = \"proto3\"; package shop; message Part { int32 id = 1; }";
const SALE: &str = "syntax = \"proto3\";\npackage shop;\nimport \"part.proto\";\nmessage Sale {\n  Part part = 1;\n  int64 at = 2;\n}\nmessage Refund { int64 at = 1; }\n";
const SALE_TEXT: &str = "syntax = \"proto3\";\npackage shop;\nimport \"part.proto\";\nmessage Sale {\n  Part part = 1;\n  string at = 2;\n}\n";

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn check(folder: &TempDir, args: &[&str]) -> Ran {
    run(&mut command(folder.path(), &[&["registry", "check"], args].concat()))
}

/// Runs git in a folder, without the settings of the user.
fn git(folder: &Path, args: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with schemas in one commit, and changes that are not committed.
fn repository() -> TempDir {
    let folder = tempdir().unwrap();
    let path = folder.path();
    write(
        path,
        &[
            ("schemas/order.avsc", ORDER),
            ("schemas/same.avsc", ORDER),
            ("schemas/old.avsc", ORDER),
            ("schemas/broken.avsc", "{"),
            ("schemas/web/click.json", CLICK),
            ("schemas/part.proto", PART),
            ("schemas/sale.proto", SALE),
            ("schemas/package.json", PACKAGE),
            ("README.md", "schemas"),
        ],
    );
    git(path, &["init", "--quiet"]);
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "-m", "first"]);
    std::fs::remove_file(path.join("schemas/old.avsc")).unwrap();
    write(
        path,
        &[
            ("schemas/order.avsc", ORDER_TOTAL),
            ("schemas/web/click.json", CLICK_NUMBER),
            ("schemas/sale.proto", SALE_TEXT),
            ("schemas/broken.avsc", ORDER),
            ("schemas/new.avsc", ORDER),
            ("schemas/.hidden/x.avsc", "{"),
        ],
    );
    folder
}

const STRICT: [&str; 4] = ["--policy", "Full", "--rules", "strict"];

#[test]
fn schemas_are_checked_against_a_git_revision() {
    let folder = repository();
    let against = |args: &[&str]| check(&folder, &[&["--against", "git:HEAD"], &STRICT[..], args].concat());
    let ran = against(&["schemas"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{ran:?}");
    for part in [
        "schemas/order.avsc (shop.Order) is incompatible (policy Full, strict rules), for 1 reason\n\n1. it cannot read events of git:HEAD\n   rule     avro/missing-default\n",
        "schemas/web/click.json is incompatible",
        "schemas/sale.proto (shop.Sale) is incompatible",
        "schemas/sale.proto is not compared: the message shop.Refund of HEAD was removed\n",
        "schemas/part.proto is not compared: it is unchanged since HEAD\n",
        "schemas/same.avsc is not compared: it is unchanged since HEAD\n",
        "schemas/new.avsc is not compared: it is not in HEAD\n",
        "schemas/broken.avsc is not compared: it is invalid in HEAD",
        "schemas/old.avsc is not compared: it was removed since HEAD\n",
        "schemas/package.json is not a schema: \"module\" is no type of a schema\n",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(!ran.out.contains("hidden") && !ran.out.contains("README"), "{}", ran.out);
    // what is compatible
    write(folder.path(), &[("schemas/order.avsc", ORDER_NOTE)]);
    let ran = against(&["schemas/order.avsc", "schemas/part.proto"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let expected = "schemas/order.avsc is compatible with HEAD (policy Full, strict rules)\nschemas/part.proto is not compared: it is unchanged since HEAD\n";
    assert_eq!(ran.out, expected);
    // a broken schema is an error, and the others are checked
    write(folder.path(), &[("schemas/same.avsc", "{")]);
    let ran = against(&["schemas"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.out.contains("schemas/same.avsc cannot be checked: ")
            && ran.out.contains("click.json is incompatible")
    );
    for line in against(&["--output-format", "json", "schemas"]).out.lines() {
        let result: serde_json::Value = serde_json::from_str(line).unwrap();
        let status = match result["file"].as_str().unwrap() {
            "schemas/order.avsc" => "compatible",
            "schemas/web/click.json" => "incompatible",
            "schemas/same.avsc" => "error",
            "schemas/package.json" => "not-a-schema",
            "schemas/sale.proto" => continue,
            _ => "not-compared",
        };
        assert_eq!(result["status"], status, "{line}");
    }
    // another revision, and folders in another folder
    git(folder.path(), &["add", "schemas/web"]);
    git(folder.path(), &["commit", "--quiet", "-m", "second"]);
    let args =
        ["registry", "check", "--against", "git:HEAD~1", "--policy", "Full", "--rules", "strict", "web"];
    let ran = run(&mut command(&folder.path().join("schemas"), &args));
    assert!(ran.code == Some(1) && ran.out.contains("web/click.json is incompatible"), "{ran:?}");
}

/// Schemas of a folder use each other; each is checked with the others as they are now and as they were.
#[test]
fn schemas_use_other_files_of_the_folder() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let avro = |name: &str, fields: &str| {
        format!(r#"{{"type":"record","name":"{name}","namespace":"shop","fields":[{fields}]}}"#)
    };
    let (id, size) = (r#"{"name":"id","type":"long"}"#, r#"{"name":"size","type":"int"}"#);
    let part = avro("Part", id);
    let order = avro("Order", r#"{"name":"parts","type":{"type":"array","items":"Part"}}"#);
    let invoice =
        avro("Invoice", r#"{"name":"order","type":"shop.Order"},{"name":"first","type":["null","Part"]}"#);
    let page = r#"{"$id":"page.json","properties":{"size":{"$ref":"types/size.json#/definitions/bytes"}}}"#;
    write(
        path,
        &[
            ("s/order.avsc", &order),
            ("s/a/invoice.avsc", &invoice),
            ("s/z/part.avsc", &part),
            ("s/alone.avsc", &avro("Alone", r#"{"name":"x","type":"shop.Nowhere"}"#)),
            ("s/web/page.json", page),
            ("s/web/click.json", r#"{"properties":{"on":{"$ref":"page.json"}}}"#),
            ("s/web/types/size.json", r#"{"definitions":{"bytes":{"type":"integer","minimum":0}}}"#),
            (
                "s/web/view.json",
                r#"{"$id":"https://x.org/web/view.json","items":{"$ref":"types/size.json#/definitions/bytes"}}"#,
            ),
        ],
    );
    git(path, &["init", "--quiet"]);
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "-m", "first"]);
    let against = |args: &[&str]| check(&folder, &[&["--against", "git:HEAD"], &STRICT[..], args].concat());
    let ran = against(&["s"]);
    assert_eq!((ran.code, ran.out.matches("it is unchanged").count()), (Some(2), 7), "{ran:?}");
    assert!(ran.out.contains("s/alone.avsc cannot be checked: ") && ran.out.contains("Nowhere"), "{ran:?}");
    std::fs::remove_file(path.join("s/alone.avsc")).unwrap();
    // what uses a changed schema has changed
    write(path, &[("s/z/part.avsc", &avro("Part", &format!("{id},{size}")))]);
    write(path, &[("s/web/types/size.json", r#"{"definitions":{"bytes":{"type":"integer","minimum":1}}}"#)]);
    let ran = against(&["s"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for file in
        ["order.avsc", "a/invoice.avsc", "z/part.avsc", "web/page.json", "web/click.json", "web/view.json"]
    {
        let incompatible = ran
            .out
            .lines()
            .any(|line| line.starts_with(&format!("s/{file} ")) && line.contains("is incompatible"));
        assert!(incompatible, "{file}: {}", ran.out);
    }
    // a file alone has those beside it, and what these refer to is in another folder
    let web = path.join("s/web");
    let alone = |file: &str| {
        run(&mut command(
            &web,
            &[&["registry", "check", "--against", "git:HEAD"], &STRICT[..], &[file]].concat(),
        ))
    };
    let ran = alone("click.json");
    assert!(ran.code == Some(0) && ran.out.contains("it is unchanged"), "{ran:?}");
    let ran = against(&["s/order.avsc"]);
    assert!(ran.code == Some(2) && ran.out.contains("Part"), "{ran:?}");
    // what is defined twice, or in a circle
    write(path, &[("s/z/part2.avsc", &part)]);
    let ran = against(&["s"]);
    assert!(
        ran.code == Some(2) && ran.out.contains("shop.Part is defined in z/part.avsc and in z/part2.avsc"),
        "{ran:?}"
    );
    write(path, &[("s/z/part2.avsc", &avro("Other", id))]);
    write(path, &[("s/z/part.avsc", &avro("Part", r#"{"name":"order","type":["null","Order"]}"#))]);
    let ran = against(&["s"]);
    assert!(ran.code == Some(2) && ran.out.contains("refers to itself through"), "{ran:?}");
}

#[test]
fn git_that_cannot_help_is_a_clear_error() {
    let folder = repository();
    let plain = tempdir().unwrap();
    write(plain.path(), &[("a.avsc", ORDER)]);
    for (folder, args, message) in [
        (
            &folder,
            &["--against", "git:nowhere", "--policy", "Full", "schemas"][..],
            "git has no revision \"nowhere\"",
        ),
        (
            &folder,
            &["--against", "git:--all", "--policy", "Full", "schemas"],
            "git has no revision \"--all\"",
        ),
        (&folder, &["--against", "git:HEAD", "schemas"], "no compatibility policy: give --policy"),
        (&folder, &["--against", "git:HEAD", "--policy", "Full", "none"], "cannot read none"),
        (&plain, &["--against", "git:HEAD", "--policy", "Full", "a.avsc"], "is not in a git repository"),
    ] {
        let mut command = command(folder.path(), &[&["registry", "check"], args].concat());
        // a repository around the test's folder is not meant
        command.env("GIT_CEILING_DIRECTORIES", folder.path().parent().unwrap());
        let ran = run(&mut command);
        let text = format!("{}{}", ran.out, ran.err);
        assert!(ran.code == Some(2) && text.contains(message), "{args:?}: {ran:?}");
    }
    let args = ["registry", "check", "--against", "git:HEAD", "--policy", "Full", "schemas"];
    let ran = run(command(folder.path(), &args).env("PATH", "/nowhere"));
    assert_eq!((ran.code, ran.err.lines().count()), (Some(2), 1), "{ran:?}");
    assert!(ran.err.contains("cannot run git, which --against needs: install git"), "{ran:?}");
}

#[test]
fn results_are_printed_for_build_systems() {
    let folder = repository();
    let print = |format: &str| {
        check(
            &folder,
            &[&["--against", "git:HEAD", "--output-format", format], &STRICT[..], &["schemas"]].concat(),
        )
    };
    let github = print("github");
    assert_eq!(github.code, Some(1), "{github:?}");
    for part in [
        "::error file=schemas/order.avsc,line=3,title=avro/missing-default::schemas/order.avsc: it cannot read events of git:HEAD: Order.total: ",
        "::error file=schemas/web/click.json,line=4,title=json-schema/",
        "::error file=schemas/sale.proto,line=6,title=protobuf/",
        "::notice file=schemas/package.json::not a schema: ",
    ] {
        assert!(github.out.contains(part), "{part}: {}", github.out);
    }
    assert!(github.out.lines().all(|line| line.starts_with("::")), "{}", github.out);
    let junit = print("junit").out;
    assert!(junit.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"10\" failures=\"3\" errors=\"0\">\n"), "{junit}");
    let failure = "<testcase classname=\"schemas/order.avsc\" name=\"schemas/order.avsc\" file=\"schemas/order.avsc\">\n      <failure message=\"it cannot read events of git:HEAD: Order.total: ";
    assert!(junit.contains(failure) && junit.contains("type=\"avro/missing-default\">"), "{junit}");
    assert_eq!(junit.matches("<failure ").count(), 3, "{junit}");
    assert_eq!(junit.matches("<skipped ").count(), 7, "{junit}");
    assert!(junit.trim_end().ends_with("</testsuite>\n</testsuites>"), "{junit}");
    // the same without git
    write(folder.path(), &[("v1.avsc", ORDER), ("v2.avsc", ORDER_TOTAL)]);
    let ran = check(&folder, &["--policy", "Backward", "--output-format", "github", "v1.avsc", "v2.avsc"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.starts_with("::error file=v2.avsc,line=3,title=avro/"), "{ran:?}");
    let ran = check(&folder, &["--policy", "Backward", "--output-format", "junit", "v1.avsc", "v1.avsc"]);
    assert!(ran.code == Some(0) && ran.out.contains("tests=\"1\" failures=\"0\""), "{ran:?}");
}

#[test]
fn a_kind_is_told_by_the_content() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    write(
        path,
        &[
            ("a.json", ORDER),
            ("b.txt", ORDER_NOTE),
            ("click.avsc", CLICK),
            ("sale.txt", PART),
            ("text.txt", "no schema"),
        ],
    );
    std::fs::write(path.join("bom.avsc"), ["\u{feff}", ORDER_NOTE].concat()).unwrap();
    std::fs::write(path.join("utf16.avsc"), b"\xff\xfe{\0}\0").unwrap();
    let ran = check(&folder, &["--policy", "Full", "a.json", "b.txt"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    let ran = check(&folder, &["--policy", "Full", "a.json", "bom.avsc"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = check(&folder, &[&STRICT[..], &["click.avsc", "click.avsc"]].concat());
    assert!(ran.code == Some(0) && ran.out.contains("already registered"), "{ran:?}");
    let ran = check(&folder, &[&STRICT[..], &["sale.txt", "sale.txt"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for (file, message) in
        [("utf16.avsc", "it is UTF-16 text"), ("text.txt", "text.txt has an unknown format")]
    {
        let ran = check(&folder, &["--policy", "Full", file]);
        assert!(ran.code == Some(2) && ran.err.contains(message), "{ran:?}");
    }
}

#[test]
fn a_folder_has_its_schemas_and_nothing_else() {
    let folder = tempdir().unwrap();
    write(
        folder.path(),
        &[
            ("s/v1.avsc", ORDER),
            ("s/v2.avsc", ORDER_NOTE),
            ("s/package.json", PACKAGE),
            ("s/tsconfig.json", TSCONFIG),
            ("s/composer.json", COMPOSER),
            ("s/README.md", "# Schemas"),
            ("none/package.json", PACKAGE),
        ],
    );
    let ran = check(&folder, &["--policy", "Full", "s"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.out, "v2.avsc is compatible with v1.avsc (policy Full, java rules)\n");
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(said.len(), 3, "{ran:?}");
    for (line, name) in said.iter().zip(["composer.json", "package.json", "tsconfig.json"]) {
        assert!(line.starts_with(&format!("kulya: s/{name} is not a schema: ")), "{line}");
    }
    let ran = check(&folder, &["--policy", "Full", "none"]);
    assert!(ran.code == Some(2) && ran.err.contains("folder none has no schemas"), "{ran:?}");
    // one that is named is read by its extension
    let ran = check(&folder, &[&STRICT[..], &["s/tsconfig.json", "s/tsconfig.json"]].concat());
    assert!(ran.code.is_some_and(|code| code != 1), "{ran:?}");
}
