//! Runs the cases of `fixtures/templates/go.txt`, and any bytes at all.

#![allow(clippy::unwrap_used)]

use std::rc::Rc;

use proptest::prelude::*;

use crate::template::{Map, Template, Value, function};

const CASES: &str = include_str!("../../../../fixtures/templates/go.txt");

/// `map[string]string` with `name: web` and `tag: v1.2.3`.
fn data() -> Value {
    Value::Map(Rc::new(Map::of_strings([("tag", "v1.2.3"), ("name", "web")])))
}

/// The output, or the error's text.
fn run(template: &str) -> Result<String, String> {
    let template = Template::parse("test", template).map_err(|error| error.to_string())?;
    template.render(&data()).map_err(|error| error.to_string())
}

#[derive(Debug)]
struct Case {
    line: usize,
    template: String,
    expect: Result<String, String>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut template = String::new();
    for (index, line) in CASES.lines().enumerate() {
        let (mark, rest) = line.split_at(line.len().min(1));
        let text = rest.strip_prefix(' ').unwrap_or(rest).replace('⏎', "\n");
        let expect = match mark {
            "?" => {
                template = text;
                continue;
            }
            "=" => Ok(text),
            "!" => Err(text),
            _ => continue,
        };
        cases.push(Case { line: index + 1, template: template.clone(), expect });
    }
    cases
}

#[test]
fn cases_give_what_go_gives() {
    let mut wrong = Vec::new();
    for Case { line, template, expect } in cases() {
        let got = run(&template);
        if got != expect {
            wrong.push(format!("go.txt:{line}: {template}\n  expected {expect:?}\n  got      {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{} wrong", wrong.join("\n"), wrong.len());
}

#[test]
fn every_function_has_a_case() {
    let names = function::all().map(|(name, _)| name);
    let used: Vec<Case> = cases().into_iter().filter(|case| case.expect.is_ok()).collect();
    let is_used = |name: &str| {
        used.iter()
            .any(|case| case.template.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == name))
    };
    let missing: Vec<&str> = names.filter(|name| *name != "call" && *name != "fail" && !is_used(name)).collect();
    assert!(missing.is_empty(), "no case that succeeds: {missing:?}");
}

#[test]
fn functions_that_flux_removes_explain_themselves() {
    let error = Template::parse("test", "{{ now }}").unwrap_err();
    assert_eq!((error.line, error.column), (1, 4));
    assert!(error.hint().unwrap().contains("on purpose"));
    assert_eq!(Template::parse("test", "{{ nope }}").unwrap_err().hint(), None);
}

#[test]
fn long_chains_of_values_are_freed_without_recursion() {
    let nested = "{{ $d := dict }}{{ range 20000 }}{{ $d = dict \"d\" $d }}{{ end }}ok";
    assert_eq!(run(nested), Ok("ok".to_owned()));
    let lists = "{{ $l := list }}{{ range 20000 }}{{ $l = list $l }}{{ end }}ok";
    assert!(run(lists).unwrap_err().ends_with("a value is nested more than 64 deep"));
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(run(&format!("{{{{ {deep} }}}}")).unwrap_err().ends_with("max expression depth exceeded"));
    let blocks = "{{ if true }}".repeat(5_000);
    assert!(run(&blocks).unwrap_err().ends_with("max expression depth exceeded"));
    let allowed = format!("{}x{}", "{{ if true }}".repeat(60), "{{ end }}".repeat(60));
    assert_eq!(run(&allowed), Ok("x".to_owned()));
    let long = "x".repeat(crate::template::MAX_TEMPLATE + 1);
    assert!(run(&long).unwrap_err().contains("longer than"));
}

#[test]
fn templates_can_go_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Template>();
}

#[test]
fn work_is_bounded() {
    let endless = [
        "{{ $l := until 100000 }}{{ range 100000 }}{{ $x := compact $l }}{{ end }}",
        "{{ $l := until 100000 }}{{ range 100000 }}{{ $x := has -1 $l }}{{ end }}",
        "{{ $l := until 100000 }}{{ $x := uniq $l }}",
        "{{ $d := dict }}{{ range 40000 }}{{ $_ := set $d (print .) . }}{{ end }}{{ range 100000 }}{{ $x := pick $d }}{{ end }}",
        "{{ $s := repeat 100000 \"ab\" }}{{ range 100000 }}{{ $x := contains \"ba b\" $s }}{{ end }}",
        "{{ $s := repeat 100000 \"ab\" }}{{ range 100000 }}{{ $x := regexMatch \"b+c\" $s }}{{ end }}",
        "{{ range 100000 }}{{ $x := regexMatch (printf \"x%d\" .) \"y\" }}{{ end }}",
        "{{ range 100000 }}{{ $x := repeat 1000 \"abcdefgh\" }}{{ end }}",
        "{{ range 100 }}{{ $x := regexMatch (printf \"[a%d]{1000}[b-z]{1000}[é]{1000}\" .) \"y\" }}{{ end }}",
        "{{ $t := toDate \"2006\" \"2024\" }}{{ $s := repeat 100000 \"a\" }}{{ range 100000 }}{{ $x := $t.Format $s }}{{ end }}",
        "{{ $l := list (repeat 1000000 \"a\") }}{{ range 12 }}{{ $l = concat $l $l }}{{ end }}{{ join \"\" $l }}",
        "{{ $l := list (repeat 1000000 \"a\") }}{{ range 12 }}{{ $l = concat $l $l }}{{ end }}{{ $x := sortAlpha $l }}",
    ];
    for template in endless {
        assert!(run(template).unwrap_err().contains("units of work"), "{template}");
    }
    let fields = format!(
        "{{{{ $d := dict }}}}{{{{ $_ := set $d \"a\" $d }}}}{{{{ range 100000 }}}}{{{{ $x := $d{} }}}}{{{{ end }}}}",
        ".a".repeat(100_000)
    );
    assert!(run(&fields).unwrap_err().contains("units of work"));
    let variables =
        format!("{}{{{{ range 100000 }}}}{{{{ $x := $.tag }}}}{{{{ end }}}}", "{{ $v := 1 }}".repeat(15_000));
    assert!(run(&variables).unwrap_err().contains("units of work"));
    let directives = "{{ $f := repeat 300000 \"%[%\" }}{{ $x := printf $f }}";
    assert_eq!(run(directives), Ok(String::new()));
    let names = format!(
        "{{{{ $d := dict }}}}{{{{ range 50000 }}}}{{{{ $_ := set $d (print .) . }}}}{{{{ end }}}}{{{{ pick $d {} | len }}}}",
        "\"a\" ".repeat(50_000)
    );
    assert_eq!(run(&names), Ok("0".to_owned()));
}

#[test]
fn deepest_templates_need_little_stack() {
    // Blocks that call themselves, and in the innermost the deepest parentheses; values and text as deep as they get.
    let parentheses = format!("{}1{}", "(print ".repeat(60), ")".repeat(60));
    let recursive = format!(
        "{{{{ define \"x\" }}}}{{{{ if gt . 0 }}}}{{{{ template \"x\" (sub . 1 | int) }}}}{{{{ else }}}}\
         {{{{ {parentheses} }}}}{{{{ end }}}}{{{{ end }}}}{{{{ template \"x\" 44 }}}}"
    );
    let blocks = format!("{}x{}", "{{ with 1 }}".repeat(62), "{{ end }}".repeat(62));
    let value = "{{ $d := dict }}{{ range 60 }}{{ $d = dict \"d\" (list $d) }}{{ end }}{{ $c := deepCopy $d }}\
                 {{ deepEqual $c $d }}{{ $d | len }}{{ toString $d | len }}";
    let work = move || {
        assert_eq!(run(&recursive), Ok("1".to_owned()));
        assert_eq!(run(&blocks), Ok("x".to_owned()));
        run(value).unwrap_err();
    };
    std::thread::Builder::new().stack_size(1024 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn output_is_bounded() {
    let loud = "{{ range 100000 }}0123456789012345678901234567890123456789{{ end }}";
    assert!(run(loud).unwrap_err().contains("the output is longer than 1048576 bytes"));
    let growing = "{{ $x := \"ab\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}";
    assert!(run(growing).unwrap_err().contains("a text of more than 1048576 bytes"));
    let months =
        "{{ $t := toDate \"2006-01\" \"2024-11\" }}{{ $x := \"1\" }}{{ range 100 }}{{ $x = $t.Format $x }}{{ end }}";
    let error = run(months).unwrap_err();
    assert!(error.contains("a text of more than") || error.contains("units of work"), "{error}");
    let shared = "{{ $l := list 1 }}{{ range 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}";
    run(shared).unwrap_err();
    assert!(run("{{ printf \"%1000000d%1000000d\" 1 2 }}").is_err());
    assert!(run("{{ fail (repeat 1000000 \"é\") }}").unwrap_err().len() < 5_000);
}

fn fragment() -> impl Strategy<Value = String> {
    let syntax = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        "(",
        ")",
        "|",
        ":=",
        "=",
        ",",
        ".",
        "$",
        "$x",
        ".name",
        "\"a\"",
        "`b`",
        "'c'",
        "1",
        "-2",
        "1.5",
        "0x",
        "nil",
        "true",
        "if",
        "else",
        "end",
        "range",
        "with",
        "define",
        "template",
        "block",
        "break",
        "continue",
        "/*",
        "*/",
        " ",
        "\n",
        "é",
        "%",
        "\\",
        "{{ range 3 }}",
        "{{ end }}",
        "list 1 2",
        "dict \"a\" 1",
        "printf \"%5.2f%v%[3]d%*s\"",
    ];
    let words: Vec<&str> = function::all().map(|(name, _)| name).chain(syntax).collect();
    prop::collection::vec(prop::sample::select(words), 0..24).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,80}") {
        let _ = run(&text);
        let _ = run(&format!("{{{{ {text} }}}}"));
    }

    #[test]
    fn any_words_are_run_or_refused(text in fragment()) {
        let _ = run(&text);
        let _ = run(&format!("{{{{ {text} }}}}"));
    }

    #[test]
    fn any_function_takes_any_arguments(
        name in prop::sample::select(function::all().map(|(name, _)| name).collect::<Vec<_>>()),
        arguments in prop::collection::vec(prop::sample::select(vec![
            "\"\"", "\"a b\"", "\"(é\"", "-1", "0", "3", "99999999", "-9223372036854775808", "1.5", "1e300", "nil", "true", "(list)",
            "(list 1 \"a\" nil)", "(dict)", "(dict \"a\" (list 1))", ".", ".name", ".missing", "(until 3)",
            "(semver \"1.2.3\")", "(toDate \"2006\" \"2024\")", "(add 1 2)", "\"%d%s%v%!\"", "\"[{\\\"a\\\":1}]\"",
        ]), 0..5),
    ) {
        let _ = run(&format!("{{{{ {name} {} }}}}", arguments.join(" ")));
    }
}
