use super::*;
use crate::{GroupId, canonicalize, json_schema, pretty_print};

type References = Vec<(String, Arc<ReferencedSchema>)>;

fn referenced(
    name: &str,
    label: &str,
    schema: SchemaInfo,
    references: References,
) -> (String, Arc<ReferencedSchema>) {
    (name.to_owned(), Arc::new(ReferencedSchema { label: label.to_owned(), schema, references }))
}

fn resolved(schema: SchemaInfo, references: &[(String, Arc<ReferencedSchema>)]) -> Result<String> {
    let resolved = resolve(schema, references, &Budget::default())?;
    canonicalize(resolved.clone())?;
    Ok(String::from_utf8(resolved.data).unwrap())
}

fn error(schema: SchemaInfo, references: &[(String, Arc<ReferencedSchema>)]) -> String {
    resolved(schema, references).unwrap_err().to_string()
}

mod avro_types {
    use super::*;

    fn address() -> SchemaInfo {
        SchemaInfo::avro(
            r#"{"type":"record","name":"Address","namespace":"shop","fields":[
                {"name":"street","type":"string"},
                {"name":"country","type":{"type":"enum","name":"Country","symbols":["DE","FR"]}}]}"#,
        )
    }

    #[test]
    fn a_type_is_defined_at_its_first_use_and_named_after_it() {
        let order = SchemaInfo::avro(
            r#"{"type":"record","name":"Order","namespace":"shop.orders","doc":"an order","fields":[
                {"name":"to","type":["null","shop.Address"],"default":null},
                {"name":"from","type":"shop.Address"},
                {"name":"countries","type":{"type":"array","items":"shop.Country"}}]}"#,
        );
        let references = [referenced("shop.Address", "schema 0 of group addresses", address(), Vec::new())];
        let text = resolved(order, &references).unwrap();
        let expected = r#"{"type":"record","name":"Order","namespace":"shop.orders","doc":"an order","fields":[{"name":"to","type":["null",{"type":"record","name":"Address","namespace":"shop","fields":[{"name":"street","type":"string"},{"name":"country","type":{"type":"enum","name":"Country","symbols":["DE","FR"],"namespace":"shop"}}]}],"default":null},{"name":"from","type":"shop.Address"},{"name":"countries","type":{"type":"array","items":"shop.Country"}}]}"#;
        assert_eq!(text, expected);
        assert_eq!(canonicalize(SchemaInfo::avro(text)).unwrap().schema.type_name, "shop.orders.Order");
    }

    #[test]
    fn a_nested_type_and_a_union_of_types_are_referred_to() {
        let references = [referenced("shop.Country", "schema 0", address(), Vec::new())];
        let text = resolved(SchemaInfo::avro(r#"["shop.Country","shop.Address"]"#), &references).unwrap();
        assert!(text.starts_with(r#"[{"type":"enum","name":"Country""#), "{text}");
        assert!(text.contains(r#"{"name":"country","type":"shop.Country"}"#), "{text}");
    }

    #[test]
    fn references_of_references_are_defined_once() {
        let order = |name: &str| {
            SchemaInfo::avro(format!(
                r#"{{"type":"record","name":"{name}","namespace":"shop","fields":[{{"name":"a","type":"Address"}}]}}"#
            ))
        };
        let address = || referenced("shop.Address", "schema 0 of addresses", address(), Vec::new());
        let references = [
            referenced("shop.Order", "schema 0 of orders", order("Order"), vec![address()]),
            referenced("shop.Invoice", "schema 0 of invoices", order("Invoice"), vec![address()]),
        ];
        let text = resolved(SchemaInfo::avro(r#"["shop.Order","shop.Invoice"]"#), &references).unwrap();
        assert_eq!(text.matches(r#""name":"Address""#).count(), 1, "{text}");
        // two definitions that differ
        let other = SchemaInfo::avro(r#"{"type":"record","name":"Address","namespace":"shop","fields":[]}"#);
        let other = referenced("shop.Address", "schema 1 of addresses", other, Vec::new());
        let references = [
            references[0].clone(),
            referenced("shop.Invoice", "schema 0 of invoices", order("Invoice"), vec![other]),
        ];
        let message = error(SchemaInfo::avro(r#"["shop.Order","shop.Invoice"]"#), &references);
        assert!(
            message.contains("defined differently in schema 0 of addresses and in schema 1"),
            "{message}"
        );
    }

    #[test]
    fn types_without_a_namespace_and_recursive_ones_are_referred_to() {
        let node = SchemaInfo::avro(
            r#"{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}"#,
        );
        let references = [referenced("Node", "schema 0", node, Vec::new())];
        let list = SchemaInfo::avro(
            r#"{"type":"record","name":"List","namespace":"shop","fields":[{"name":"a","type":"Node"},{"name":"b","type":{"type":"map","values":"Node"}}]}"#,
        );
        let text = resolved(list, &references).unwrap();
        assert_eq!(text.matches(r#""name":"Node""#).count(), 1, "{text}");
        // the name would mean another type
        let list = SchemaInfo::avro(
            r#"{"type":"record","name":"List","namespace":"shop","fields":[{"name":"a","type":"Node"},{"name":"b","type":{"type":"record","name":"Node","fields":[{"name":"n","type":"Node"}]}}]}"#,
        );
        let text = resolved(list, &references).unwrap();
        assert!(!text.contains(r#""namespace":"""#), "shop.Node comes before Node: {text}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let address = || referenced("shop.Address", "schema 0 of addresses", address(), Vec::new());
        let message = error(SchemaInfo::avro(r#""shop.Adress""#), &[address()]);
        assert!(message.contains("\"shop.Adress\" is defined neither"), "{message}");
        let message = error(SchemaInfo::avro(r#""shop.Address""#), &[("Street".to_owned(), address().1)]);
        assert!(
            message.contains("schema 0 of addresses defines no type of this name, only shop.Address"),
            "{message}"
        );
        let own = SchemaInfo::avro(r#"{"type":"record","name":"shop.Address","fields":[]}"#);
        assert!(error(own, &[address()]).contains("and by a reference, in schema 0 of addresses"));
        let message = error(SchemaInfo::json("T", "{}"), &[address()]);
        assert!(message.contains("is a schema of format Avro, and this one of format Json"), "{message}");
        let custom = || SchemaInfo::new("T", Format::Custom("thrift".into()), "x");
        let message = error(custom(), &[referenced("a", "b", custom(), Vec::new())]);
        assert!(message.contains("have no references"), "{message}");
    }

    #[test]
    fn names_in_files_may_mean_several_types() {
        let text = r#"{"type":"record","name":"a.R","fields":[{"name":"x","type":["null","T","a.R"]},{"name":"y","type":{"type":"map","values":{"type":"b.S"}}}]}"#;
        let names = names(&SchemaInfo::avro(text), &Budget::default()).unwrap();
        assert_eq!(names.defined, ["a.R"]);
        assert_eq!(names.used, [vec!["a.T".to_owned(), "T".to_owned()], vec!["b.S".to_owned()]]);
    }

    #[test]
    fn deep_types_are_refused_and_do_not_overflow() {
        let deep =
            format!("{}\"shop.Address\"{}", r#"{"type":"array","items":"#.repeat(110), "}".repeat(110));
        let message =
            error(SchemaInfo::avro(deep), &[referenced("shop.Address", "s", address(), Vec::new())]);
        assert!(message.contains("deep") || message.contains("recursion"), "{message}");
        let budget = Budget::with_steps(3);
        let references = [referenced("shop.Address", "s", address(), Vec::new())];
        assert!(resolve(SchemaInfo::avro(r#""shop.Address""#), &references, &budget).is_err());
    }
}

mod json_schemas {
    use super::*;

    fn address() -> (String, Arc<ReferencedSchema>) {
        let country = referenced("country.json", "schema 0 of countries", country(), Vec::new());
        let schema = SchemaInfo::json(
            "",
            r#"{"type":"object","properties":{"country":{"$ref":"country.json"}},"definitions":{"zip":{"maximum":18446744073709551617}}}"#,
        );
        referenced("address.json", "schema 0 of addresses", schema, vec![country])
    }

    fn country() -> SchemaInfo {
        SchemaInfo::json("", r#"{"enum":["DE","FR"]}"#)
    }

    #[test]
    fn referenced_schemas_are_embedded_with_their_uri() {
        let order = SchemaInfo::json(
            "",
            r##"{"type":"object","properties":{"to":{"$ref":"address.json"},"zip":{"$ref":"address.json#/definitions/zip"},"in":{"$ref":"country.json"}},"definitions":{"address.json":{"type":"null"}}}"##,
        );
        let country = referenced("country.json", "schema 0 of countries", country(), Vec::new());
        let text = resolved(order, &[address(), country]).unwrap();
        assert!(text.contains(r#""address.json 2":{"$id":"address.json","type":"object""#), "{text}");
        assert_eq!(text.matches(r#"{"$id":"country.json","enum":["DE","FR"]}"#).count(), 1, "{text}");
        assert!(text.contains("18446744073709551617"), "numbers stay: {text}");
        let schema = json_schema::parse(&text).unwrap();
        assert_eq!(schema.external_references().count(), 0);
        let reader = json_schema::parse(&text.replace("[\"DE\",\"FR\"]", "[\"DE\"]")).unwrap();
        let json_schema::Verdict::Incompatible(reasons) = json_schema::can_read(&reader, &schema) else {
            panic!("a country is missing")
        };
        assert!(reasons[0].reader_path.contains("country"), "{reasons:?}");
    }

    #[test]
    fn uris_are_resolved_as_those_of_ref() {
        let order = |id: &str, uri: &str| {
            SchemaInfo::json(
                "",
                format!(
                    r#"{{"$schema":"http://json-schema.org/draft-07/schema#","$id":"{id}","items":{{"$ref":"{uri}"}}}}"#
                ),
            )
        };
        for (id, uri, name) in [
            ("https://x.org/a/order.json", "address.json", "address.json"),
            ("https://x.org/a/order.json", "https://x.org/a/address.json", "address.json"),
            (
                "https://x.org/a/order.json",
                "../b/address.json#/definitions/zip",
                "https://x.org/b/address.json",
            ),
            ("order.json", "address.json", "address.json"),
            ("urn:order", "urn:address", "urn:address"),
        ] {
            let text = resolved(order(id, uri), &[(name.to_owned(), address().1)]).unwrap();
            assert!(text.contains("\"definitions\":{"), "{text}");
        }
        let message = error(order("https://x.org/order.json", "adress.json"), &[address()]);
        assert!(message.contains("leads to \"https://x.org/adress.json\""), "{message}");
        let message = error(order("a/order.json", "address.json"), &[address()]);
        assert!(message.contains("is relative and has a folder"), "{message}");
        // the schemas of the specification need no reference
        resolved(order("order.json", "http://json-schema.org/draft-07/schema#"), &[address()]).unwrap();
    }

    #[test]
    fn names_in_files_are_uris_from_their_base() {
        let text = r##"{"$id":"b.json","items":{"$ref":"../c.json#/definitions/x"},"not":{"$ref":"#/definitions/y"},"definitions":{"y":{"$ref":"http://json-schema.org/draft-07/schema#"}}}"##;
        let schema = with_base_uri(SchemaInfo::json("", text), "file:///a/x.json").unwrap();
        let names = names(&schema, &Budget::default()).unwrap();
        assert_eq!(names.defined, ["file:///a/b.json"]);
        assert_eq!(names.used, [["file:///c.json"]]);
    }

    #[test]
    fn an_id_of_its_own_is_the_name() {
        let schema = |id: &str| SchemaInfo::json("", format!(r#"{{"$id":"{id}","type":"string"}}"#));
        let order = SchemaInfo::json("", r#"{"$defs":{},"items":{"$ref":"https://x.org/zip.json"}}"#);
        let zip = |name: &str, id: &str| referenced(name, "schema 0 of zips", schema(id), Vec::new());
        let text =
            resolved(order.clone(), &[zip("https://x.org/zip.json", "https://x.org/zip.json")]).unwrap();
        assert!(text.starts_with(r#"{"$defs":{"https://x.org/zip.json":{"$id":"#), "{text}");
        let message = error(order.clone(), &[zip("https://x.org/zip.json", "https://x.org/z.json")]);
        assert!(
            message.contains("has the $id \"https://x.org/z.json\": refer to it by that URI"),
            "{message}"
        );
        let message = error(order.clone(), &[zip("https://x.org/zip.json#/a", "https://x.org/zip.json")]);
        assert!(message.contains("has a fragment"), "{message}");
        let two = [zip("https://x.org/zip.json", "https://x.org/zip.json"), address()];
        resolved(order, &two).unwrap();
    }
}

mod protobuf_files {
    use super::*;
    use prost::Message as _;

    fn set(files: &[(&str, &str)]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        protox::compile(names, [folder.path()]).unwrap().encode_to_vec()
    }

    const COUNTRY: (&str, &str) =
        ("country.proto", "syntax = \"proto3\"; package geo; enum Country { DE = 0; }");
    const ADDRESS: (&str, &str) = (
        "shop/address.proto",
        "syntax = \"proto3\"; package shop; import \"country.proto\"; message Address { geo.Country country = 1; }",
    );
    const ORDER: (&str, &str) = (
        "order.proto",
        "syntax = \"proto3\"; package orders; import \"shop/address.proto\"; import \"google/protobuf/timestamp.proto\"; \
         message Order { shop.Address to = 1; google.protobuf.Timestamp at = 2; }",
    );

    /// Returns the set with only the files of these names, as a compiler writes it without imports.
    fn only(set: &[u8], names: &[&str]) -> Vec<u8> {
        let mut set = prost_types::FileDescriptorSet::decode(set).unwrap();
        set.file.retain(|file| names.contains(&file.name()));
        set.encode_to_vec()
    }

    fn address() -> (String, Arc<ReferencedSchema>) {
        let all = set(&[COUNTRY, ADDRESS]);
        let country = SchemaInfo::protobuf("", only(&all, &["country.proto"]));
        let country = referenced("country.proto", "schema 0 of countries", country, Vec::new());
        let own = SchemaInfo::protobuf("", only(&all, &["shop/address.proto"]));
        referenced("shop/address.proto", "schema 0 of addresses", own, vec![country])
    }

    fn order() -> SchemaInfo {
        SchemaInfo::protobuf("", only(&set(&[COUNTRY, ADDRESS, ORDER]), &["order.proto"]))
    }

    fn files(schema: &SchemaInfo) -> Vec<String> {
        let set = prost_types::FileDescriptorSet::decode(&*schema.data).unwrap();
        set.file.iter().map(|file| file.name().to_owned()).collect()
    }

    #[test]
    fn imports_are_added_before_the_files_that_need_them() {
        let resolved = resolve(order(), &[address()], &Budget::default()).unwrap();
        assert_eq!(files(&resolved), ["country.proto", "shop/address.proto", "order.proto"]);
        assert_eq!(resolved.type_name, "orders.Order", "not the first message of another file");
        canonicalize(resolved.clone()).unwrap();
        assert!(pretty_print(&resolved).unwrap().unwrap().contains("import \"shop/address.proto\""));
        crate::protobuf::parse(&resolved.data, &resolved.type_name).unwrap();
        // the set may have the file, too
        let whole = SchemaInfo::protobuf("", set(&[COUNTRY, ADDRESS, ORDER]));
        let resolved = resolve(whole, &[address()], &Budget::default()).unwrap();
        assert_eq!(files(&resolved).len(), 4);
    }

    #[test]
    fn the_only_file_gets_the_name_of_the_reference() {
        let address = set(&[COUNTRY, ("address.proto", ADDRESS.1)]);
        let address = SchemaInfo::protobuf("", address);
        let references = [referenced("shop/address.proto", "schema 0", address, Vec::new())];
        let resolved = resolve(order(), &references, &Budget::default()).unwrap();
        assert_eq!(files(&resolved), ["country.proto", "shop/address.proto", "order.proto"]);
        crate::protobuf::parse(&resolved.data, &resolved.type_name).unwrap();
    }

    #[test]
    fn sources_import_what_they_refer_to() {
        let source = |text: &str| SchemaInfo::protobuf("", text);
        let resolved = resolve(source(ORDER.1), &[address()], &Budget::default()).unwrap();
        let names =
            ["google/protobuf/timestamp.proto", "country.proto", "shop/address.proto", "schema.proto"];
        assert_eq!(files(&resolved), names);
        assert_eq!(resolved.type_name, "orders.Order");
        crate::protobuf::parse(&resolved.data, &resolved.type_name).unwrap();
        // what is kept has the own files and the well-known types only, and resolves to the same
        let kept = compile(source(ORDER.1), &[address()], &Budget::default()).unwrap();
        assert_eq!(files(&kept), ["google/protobuf/timestamp.proto", "schema.proto"]);
        assert_eq!(resolve(kept.clone(), &[address()], &Budget::default()).unwrap(), resolved);
        assert_eq!(compile(kept.clone(), &[address()], &Budget::default()).unwrap(), kept);
        // without a package, behind a file with one
        let plain = ORDER.1.replace("package orders;", "");
        assert_eq!(resolve(source(&plain), &[address()], &Budget::default()).unwrap().type_name, "Order");
        // a source with a name, beside files of its own, with an edition, and with an option of the reference
        let text = format!(
            "// a/order.proto\n{}\n// a/note.proto\nedition = \"2023\"; message Note {{ string text = 1 [features.field_presence = IMPLICIT]; }}",
            ORDER.1.replace("message Order", "import \"a/note.proto\"; message Order")
        );
        let resolved = resolve(source(&text), &[address()], &Budget::default()).unwrap();
        assert_eq!(files(&resolved).last().unwrap(), "a/order.proto");
        assert!(files(&resolved).contains(&"a/note.proto".to_owned()));
        // of a file that is in the text the reference has the same one, or it is refused
        let text = format!("// order.proto\n{}\n// shop/address.proto\n{}", ORDER.1, ADDRESS.1);
        let resolved = resolve(source(&text), &[address()], &Budget::default()).unwrap();
        assert_eq!(files(&resolved).iter().filter(|name| *name == "shop/address.proto").count(), 1);
        let other = text.replace("geo.Country country = 1", "geo.Country country = 2");
        let message = resolve(source(&other), &[address()], &Budget::default()).unwrap_err().to_string();
        assert!(message.contains("differs from that of"), "{message}");
        let message = resolve(source(ORDER.1), &address().1.references, &Budget::default()).unwrap_err();
        assert!(message.to_string().contains("\"shop/address.proto\" is not found"), "{message}");
    }

    #[test]
    fn custom_options_of_references_stay() {
        let options = "// opt.proto\nsyntax = \"proto2\"; package o; import \"google/protobuf/descriptor.proto\"; \
             extend google.protobuf.FieldOptions { optional string unit = 50001; } \
             message Price { optional int64 cents = 1 [(unit) = \"EUR\"]; }";
        let (options, _) = crate::protobuf::compile_source(options, "").unwrap();
        let referenced = referenced("opt.proto", "schema 0", SchemaInfo::protobuf("", options), Vec::new());
        let source = "syntax = \"proto3\"; import \"opt.proto\"; message M { o.Price price = 1; int32 size = 2 [(o.unit) = \"m\"]; }";
        let resolved = resolve(SchemaInfo::protobuf("", source), &[referenced], &Budget::default()).unwrap();
        let printed = pretty_print(&resolved).unwrap().unwrap();
        assert!(printed.contains("(unit) = \"EUR\""), "{printed}");
        assert!(printed.contains("(o.unit) = \"m\""), "{printed}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = |schema: SchemaInfo, references: &[(String, Arc<ReferencedSchema>)]| {
            resolve(schema, references, &Budget::default()).unwrap_err().to_string()
        };
        let country = address().1.references[0].clone();
        let message = error(order(), &[country]);
        assert!(
            message.contains("the file \"shop/address.proto\", which \"order.proto\" imports"),
            "{message}"
        );
        let two = set(&[("a.proto", "syntax = \"proto3\";"), ("b.proto", "syntax = \"proto3\";")]);
        let two = referenced("c.proto", "schema 1", SchemaInfo::protobuf("", two), Vec::new());
        assert!(error(order(), &[two]).contains("schema 1 has no file of this name, only a.proto, b.proto"));
        let other = set(&[("country.proto", "syntax = \"proto3\"; package geo; enum Country { FR = 0; }")]);
        let other =
            referenced("country.proto", "schema 1 of countries", SchemaInfo::protobuf("", other), Vec::new());
        let message = error(order(), &[address(), other]);
        assert!(
            message.contains("\"country.proto\" of schema 0 of countries differs from that of schema 1"),
            "{message}"
        );
        let broken = referenced("a", "schema 9", SchemaInfo::protobuf("", [0xff]), Vec::new());
        assert!(error(order(), &[broken]).contains("schema 9"));
    }
}

#[test]
fn references_are_bounded() {
    let group = GroupId::new("shop", "addresses");
    let reference = |name: &str| Reference::new(name, &group, 0);
    assert!(check_references(&[reference("a"), reference("b")]).is_ok());
    for (references, message) in [
        (vec![reference("a"), reference("a")], "two references have the name \"a\""),
        (vec![reference("")], "1 to 512 bytes"),
        (vec![reference(&"x".repeat(513))], "1 to 512 bytes"),
        (vec![Reference::new("a", &GroupId::new("shop", ""), 0)], "has no group"),
        ((0..101).map(|n| reference(&n.to_string())).collect(), "101 references"),
    ] {
        let error = check_references(&references).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let text = r#"{"name":"a","namespace":"shop","group":"addresses","id":0}"#;
    assert_eq!(serde_json::to_string(&reference("a")).unwrap(), text);
    assert_eq!(serde_json::from_str::<Reference>(text).unwrap(), reference("a"));
}
