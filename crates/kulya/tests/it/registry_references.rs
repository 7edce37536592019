//! References between schemas through the program: every command, a server's REST APIs, and rows of SQL over
//! events whose schema refers to another.

use crate::program::{Ran, Running, command, http, kulya, run};
use tempfile::{TempDir, tempdir};

const PART: &str =
    r#"{"type":"record","name":"Part","namespace":"shop","fields":[{"name":"id","type":"long"}]}"#;
const PART_STRICTER: &str = r#"{"type":"record","name":"Part","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"size","type":"int"}]}"#;
const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"part","type":"Part"}]}"#;

fn files() -> TempDir {
    let folder = tempdir().unwrap();
    for (name, text) in [
        ("part.avsc", PART),
        ("part2.avsc", PART_STRICTER),
        ("order.avsc", ORDER),
        (
            "sale.proto",
            "syntax = \"proto3\"; package sales; import \"shop/part.proto\"; message Sale { shop.Part part = 1; }",
        ),
        ("part.proto", "syntax = \"proto3\"; package shop; message Part { int64 id = 1; }"),
        ("page.json", r#"{"type":"object","properties":{"title":{"type":"string"}}}"#),
        ("click.json", r#"{"type":"object","properties":{"page":{"$ref":"page.json"}}}"#),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const PART_0: &str = "name=shop.Part,group=parts,id=0";
const PART_1: &str = "name=shop.Part,group=parts,id=1";

fn run_all_commands(folder: &TempDir, at: &[&str]) {
    let ran =
        |args: &[&str]| -> Ran { run(&mut command(folder.path(), &[&["registry"], at, args].concat())) };
    let ok = |args: &[&str]| {
        let ran = ran(args);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{args:?}: {ran:?}");
        ran.out
    };
    ok(&["group", "create", "parts", "--format", "avro", "--policy", "AllowAny"]);
    ok(&["group", "create", "orders", "--namespace", "shop", "--format", "avro", "--policy", "Backward"]);
    ok(&["schema", "add", "--group", "parts", "part.avsc"]);
    ok(&["schema", "add", "--group", "parts", "part2.avsc"]);
    let orders = ["--group", "orders", "--namespace", "shop"];
    let with = |args: &[&str]| ok(&[args, &orders[..]].concat());
    assert_eq!(
        with(&["schema", "add", "--reference", PART_0, "order.avsc"]),
        "shop.Order version 0 (id 0)\n"
    );
    assert_eq!(with(&["schema", "show", "0"]), format!("{ORDER}\n"));
    assert_eq!(with(&["schema", "show", "0", "--raw"]), ORDER);
    let resolved = with(&["schema", "show", "0", "--resolved"]);
    assert!(resolved.contains(r#""type":{"type":"record","name":"Part""#), "{resolved}");
    assert_eq!(
        with(&["schema", "references", "0"]),
        "NAME       NAMESPACE  GROUP  ID\nshop.Part  -          parts  0\n"
    );
    let json = "{\"name\":\"shop.Part\",\"namespace\":\"\",\"group\":\"parts\",\"id\":0}\n";
    assert_eq!(with(&["schema", "references", "0", "--json"]), json);
    assert_eq!(
        ok(&["schema", "referenced-by", "--group", "parts", "0"]),
        "NAMESPACE  GROUP   TYPE        VERSION  ID\nshop       orders  shop.Order  0        0\n"
    );
    assert_eq!(ok(&["schema", "referenced-by", "--group", "parts", "1"]), "");
    assert_eq!(
        with(&["schema", "find", "--reference", PART_0, "order.avsc"]),
        "shop.Order version 0 (id 0)\n"
    );
    // the whole schema is the same one
    std::fs::write(folder.path().join("whole.avsc"), &resolved).unwrap();
    assert_eq!(with(&["schema", "add", "whole.avsc"]), "shop.Order version 0 (id 0)\n");
    // a verdict goes through references
    let refused = ran(&[&["check", "--reference", PART_1, "order.avsc"], &orders[..]].concat());
    assert!(refused.code == Some(1) && refused.out.contains("size"), "{refused:?}");
    let refused = ran(&[&["schema", "add", "--reference", PART_1, "order.avsc"], &orders[..]].concat());
    assert!(refused.code == Some(1) && refused.err.contains("part.size"), "{refused:?}");
    // events are decoded without the other group
    assert_eq!(with(&["encoding", "id", "0"]), "0\n");
    let decoded = with(&["decode", "--hex", "01 00000000 2a 08"]);
    assert!(decoded.contains(r#"value     {"id":21,"part":{"id":4}}"#), "{decoded}");
    assert_eq!(ok(&["search", "--field", "part.id"]).lines().count(), 2);
    for (args, message) in [
        (&["schema", "delete", "--group", "parts", "0"][..], "schema 0 of group shop/orders refers to it"),
        (&["group", "delete", "parts"], "schema 0 of group shop/orders refers to it"),
        (
            &[
                "schema",
                "add",
                "--group",
                "parts",
                "--reference",
                "name=shop.Part,group=none,id=0",
                "order.avsc",
            ],
            "reference \"shop.Part\": group none does not exist",
        ),
        (
            &[
                "schema",
                "add",
                "--group",
                "parts",
                "--reference",
                "name=shop.Part,group=parts,id=9",
                "order.avsc",
            ],
            "reference \"shop.Part\": schema 9 of group parts does not exist",
        ),
        (
            &["schema", "add", "--group", "parts", "--reference", "name=Part,group=parts,id=0", "order.avsc"],
            "defines no type of this name, only shop.Part",
        ),
        (&["schema", "add", "--group", "parts", "order.avsc"], "\"Part\" is not defined"),
    ] {
        let ran = ran(args);
        assert_eq!((ran.code, ran.err.lines().count()), (Some(1), 1), "{args:?}: {ran:?}");
        assert!(ran.err.contains(message), "{message}: {ran:?}");
    }
    let files_only = ran(&["check", "--policy", "Full", "--reference", PART_0, "order.avsc"]);
    assert!(
        files_only.code == Some(2) && files_only.err.contains("--reference needs --group"),
        "{files_only:?}"
    );

    ok(&["group", "create", "pages", "--format", "json", "--policy", "AllowAny"]);
    ok(&["schema", "add", "--group", "pages", "page.json", "--type", "page"]);
    ok(&["group", "create", "clicks", "--format", "json", "--policy", "Full", "--rules", "strict"]);
    let reference = "name=page.json,group=pages,id=0";
    ok(&["schema", "add", "--group", "clicks", "--reference", reference, "click.json", "--type", "click"]);
    let resolved = ok(&["schema", "show", "--group", "clicks", "0", "--resolved"]);
    assert!(resolved.contains(r#""page.json":{"$id":"page.json","type":"object""#), "{resolved}");

    // a source imports what it refers to
    ok(&["group", "create", "protos", "--format", "protobuf", "--policy", "AllowAny", "--multiple-types"]);
    ok(&["schema", "add", "--group", "protos", "part.proto"]);
    let reference = "name=shop/part.proto,group=protos,id=0";
    let added = ok(&["schema", "add", "--group", "protos", "--reference", reference, "sale.proto"]);
    assert_eq!(added, "sales.Sale version 0 (id 1)\n");
    let sent = ok(&["schema", "show", "--group", "protos", "1"]);
    let resolved = ok(&["schema", "show", "--group", "protos", "1", "--resolved"]);
    assert!(!sent.contains("int64") && resolved.contains("shop/part.proto"), "{sent}\n{resolved}");
    let checked = ok(&["check", "--group", "protos", "--reference", reference, "sale.proto"]);
    assert!(checked.contains("sale.proto is"), "{checked}");
    let refused = ran(&["schema", "add", "--group", "protos", "sale.proto"]);
    assert!(refused.code == Some(1) && refused.err.contains("shop/part.proto"), "{refused:?}");

    // byte by byte, also into a registry without the other groups
    let exported = ok(&["export"]);
    std::fs::write(folder.path().join("all.ndjson"), &exported).unwrap();
    let other = ["registry", "--data", "other"];
    let imported = run(&mut command(folder.path(), &[&other[..], &["import", "all.ndjson"]].concat()));
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert_eq!(run(&mut command(folder.path(), &[&other[..], &["export"]].concat())).out, exported);
    let shop = ok(&["export", "--namespace", "shop"]);
    std::fs::write(folder.path().join("shop.ndjson"), &shop).unwrap();
    let alone = ["registry", "--data", "alone"];
    let imported = run(&mut command(folder.path(), &[&alone[..], &["import", "shop.ndjson"]].concat()));
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let decode = ["decode", "--hex", "01000000002a08", "--group", "orders", "--namespace", "shop"];
    let again = run(&mut command(folder.path(), &[&alone[..], &decode].concat()));
    assert_eq!(again.out, decoded, "{again:?}");
    for folder_of in ["other", "alone"] {
        std::fs::remove_dir_all(folder.path().join(folder_of)).unwrap();
    }
    ok(&["schema", "delete", "--force", "--group", "parts", "0"]);
    ok(&["group", "delete", "--force", "parts"]);
    assert_eq!(with(&["decode", "--hex", "01000000002a08"]), decoded);
}

#[test]
fn references_in_a_folder() {
    let folder = files();
    run_all_commands(&folder, &["--data", "d"]);
}

#[test]
fn references_behind_a_server() {
    let folder = files();
    let (server, url) = Running::serve(&folder, &[]);
    run_all_commands(&folder, &["--url", &url]);
    // REST v1 has the self-contained schema, and no member that the Java clients do not know
    let (status, schema) =
        http("GET", &format!("{url}/v1/groups/orders/schemas/schema/0?namespace=shop"), "");
    assert!(status == 200 && !schema.contains("references"), "{schema}");
    let export = kulya(&folder, &["registry", "export", "--from-v1", &url, "--namespace", "shop"]);
    assert_eq!(export.lines().count(), 5, "begin, group, schema, encoding, end: {export}");
    assert_eq!(server.interrupt(), Some(0));
}

#[test]
fn rows_of_a_schema_with_references() {
    let folder = files();
    let at = |args: &[&str]| kulya(&folder, args);
    for args in [
        &["group", "create", "parts", "--format", "avro", "--policy", "Full"][..],
        &["schema", "add", "--group", "parts", "part.avsc"],
        &["group", "create", "orders", "--namespace", "shop", "--format", "avro", "--policy", "Full"],
        &["schema", "add", "--group", "orders", "--namespace", "shop", "--reference", PART_0, "order.avsc"],
        &["encoding", "id", "--group", "orders", "--namespace", "shop", "0"],
    ] {
        at(&[&["registry", "--data", "d"], args].concat());
    }
    at(&["stream", "--data", "d", "append", "shop/orders", "--hex", "01000000002a08"]);
    at(&["stream", "--data", "d", "append", "shop/orders", "--hex", "01000000000204"]);
    let query = "SELECT id, part.id AS part FROM shop.orders ORDER BY id";
    assert_eq!(at(&["sql", "--data", "d", "-o", "csv", "-e", query]), "id,part\n1,2\n21,4\n");
    // the other group is not needed to read
    at(&["registry", "--data", "d", "group", "delete", "--force", "parts"]);
    assert_eq!(at(&["sql", "--data", "d", "-o", "csv", "-e", query]), "id,part\n1,2\n21,4\n");
}
