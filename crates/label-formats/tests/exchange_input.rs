//! What the formats say, case by case: files as their tools write them.

use label_formats::exchange::{
    Change, FidelityReport, File, Format, Imported, detect, export, import, placeholder_project, to_contract,
};
use language_api::Problem;

fn file(name: &str, content: &str) -> File {
    File { name: name.to_owned(), bytes: content.as_bytes().to_vec() }
}

fn read(format: Format, files: &[File]) -> Imported {
    assert_eq!(detect(files), Ok(format));
    import(format, files).unwrap()
}

fn refused(format: Format, files: &[File]) -> Vec<String> {
    import(format, files).unwrap_err().iter().map(Problem::to_string).collect()
}

/// Category and text of the labels of the document at `index`.
fn labels(imported: &Imported, index: usize) -> Vec<(String, String)> {
    let labeled = &imported.set.documents[index];
    let piece = |label: &ner::Label| {
        (label.category.to_string(), label.span.slice(&labeled.document.text).to_owned())
    };
    labeled.labels().map(piece).collect()
}

fn pair(category: &str, piece: &str) -> (String, String) {
    (category.to_owned(), piece.to_owned())
}

fn counts(report: &FidelityReport) -> Vec<(Change, usize)> {
    report.tallies().map(|tally| (tally.change, tally.count)).collect()
}

#[test]
fn columns_of_the_shared_task_are_read() {
    let columns = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP I-ORG\nrejects VBZ B-VP O\nGerman JJ B-NP I-MISC\ncall NN I-NP O\n. . O O\n\n\
        Peter NNP B-NP I-PER\nBlackburn NNP I-NP I-PER\n\n-DOCSTART- -X- -X- O\r\n\r\n( ( O O\r\n東 _ _ S-LOC\r\n京 _ _ O\r\n) ) O O\r\n";
    let files = [file("eng.train", columns)];
    let read = read(Format::Conll, &files);
    let texts: Vec<_> = read.set.documents.iter().map(|d| d.document.text.as_str()).collect();
    assert_eq!(texts, ["EU rejects German call.\nPeter Blackburn", "(東京)"]);
    let names: Vec<_> = read.set.documents.iter().map(|d| d.document.location.as_str()).collect();
    assert_eq!(names, ["eng.train-00001.txt", "eng.train-00002.txt"]);
    assert_eq!(labels(&read, 0), [pair("ORG", "EU"), pair("MISC", "German"), pair("PER", "Peter Blackburn")]);
    assert_eq!(labels(&read, 1), [pair("LOC", "東")]);
    assert_eq!(read.report.count(Change::TextRebuilt), 2);
}

#[test]
fn columns_are_found_in_the_original_text() {
    let original = "Claim by  Ana\r\nRuiz 🙂.";
    let columns = "Claim O\nby O\nAna B-P\nRuiz I-P\n🙂 O\n. O\n";
    let found = read(Format::Conll, &[file("a.conll", columns), file("a.txt", original)]);
    assert_eq!(found.set.documents[0].document.text, original);
    assert_eq!(labels(&found, 0), [pair("P", "Ana\r\nRuiz")]);
    assert!(found.report.is_empty(), "{:?}", found.report);
    assert_eq!(
        refused(Format::Conll, &[file("a.conll", columns), file("a.txt", "Claim of Ana Ruiz")]),
        ["a.conll:2: the token is not what follows at byte 6 of the original text"]
    );
    assert_eq!(
        refused(Format::Conll, &[file("a.conll", "EU B-ORG\nalone\nx PER\n")]),
        [2, 3].map(|line| format!(
            "a.conll:{line}: is no token with a tag last: O, B-NAME, I-NAME, E-NAME or S-NAME is expected"
        ))
    );
}

#[test]
fn a_label_inside_a_token_cuts_it_and_says_so() {
    let line = r#"{"text":"Loan PN-4471x now","entities":[[5,12,"Policy"],[5,12,"Policy"]],"meta":{"location":"a.txt"}}"#;
    let set = read(Format::Spacy, &[file("a.jsonl", line)]);
    assert_eq!(counts(&set.report), [(Change::RepeatedLabel, 1)]);
    let inside = r#"{"text":"Loans now","entities":[[0,4,"Policy"]]}"#;
    let exported = export(Format::Conll, &read(Format::Spacy, &[file("a.jsonl", inside)]).set);
    assert_eq!(counts(&exported.report), [(Change::TokenCut, 1)]);
    let columns = String::from_utf8(exported.files[0].bytes.clone()).unwrap();
    assert_eq!(columns, "-DOCSTART- -X- -X- O\n\nLoan -X- -X- B-Policy\ns -X- -X- O\nnow -X- -X- O\n\n");
}

#[test]
fn lines_with_offsets_count_code_points() {
    let lines = concat!(
        r#"{"text":"José 👍🏽 Ref PN-9010","entities":[[12,19,"Policy"]]}"#,
        "\n\r\n",
        r#"{"text":"東京 é","ents":[{"start":0,"end":2,"label":"LOC"}],"tokens":[{"id":0}],"sents":[]}"#,
        "\n",
        r#"["🙂 Ana", {"entities": [[2, 5, "P"]]}]"#
    );
    let read_lines = read(Format::Spacy, &[file("set.jsonl", lines)]);
    let all: Vec<_> = (0..3).flat_map(|index| labels(&read_lines, index)).collect();
    assert_eq!(all, [pair("Policy", "PN-9010"), pair("LOC", "東京"), pair("P", "Ana")]);
    assert_eq!(counts(&read_lines.report), [(Change::OtherAnnotation, 1)]);
    let doccano = r#"{"id":7,"text":"🙂 Ana","entities":[{"id":1,"label":"P","start_offset":2,"end_offset":5}],"relations":[{"id":3,"from_id":1,"to_id":1,"type":"x"}],"Comments":[]}"#;
    let read_doccano = read(Format::Doccano, &[file("set.jsonl", doccano)]);
    assert_eq!(labels(&read_doccano, 0), [pair("P", "Ana")]);
    assert_eq!(counts(&read_doccano.report), [(Change::OtherAnnotation, 1)]);
    let old = read(Format::Doccano, &[file("a.jsonl", r#"{"text":"Ana","labels":[[0,3,"P"]]}"#)]);
    assert_eq!(labels(&old, 0), [pair("P", "Ana")]);
}

#[test]
fn what_does_not_fit_is_counted_by_kind() {
    let line = r#"{"text":"Ana Ruiz, Bonn","entities":[[0,3,"First"],[0,8,"A/B"],[9,14,"LOC"],[9,10,"gap"],[10,99,"far"],[4,4,"none"],[12,11,"back"],[-1,2,"neg"],[10,14,"loc"]],"meta":{"location":"x\\y.txt","language":"tlh","dataset":"dev"}}"#;
    let read = read(Format::Spacy, &[file("a.jsonl", line)]);
    assert_eq!(labels(&read, 0), [pair("A_B", "Ana Ruiz"), pair("LOC", "Bonn")]);
    assert_eq!(read.set.documents[0].document.location, "x_y.txt");
    assert_eq!(
        counts(&read.report),
        [
            (Change::OverlappingLabel, 2),
            (Change::OutsideText, 2),
            (Change::EmptyLabel, 3),
            (Change::Dataset, 1),
            (Change::Language, 1),
            (Change::WhiteSpaceTrimmed, 1),
            (Change::CategoryRenamed, 2),
            (Change::DocumentRenamed, 1),
        ]
    );
    let overlap = read.report.tallies().next().unwrap();
    assert_eq!(
        (overlap.cases[0].document.as_str(), overlap.cases[0].place.as_str()),
        ("x_y.txt", "a.jsonl:1#/entities/8")
    );
}

#[test]
fn broken_lines_are_refused_together() {
    let lines = "{\"text\":1}\n{\"text\":\"a\",\"label\":[[0,1]]}\n{\n{\"text\":\"a\",\"label\":[[0,\"1\",\"A\"],[0,1,7]]}\n3\n";
    let places: Vec<_> = import(Format::Doccano, &[file("a.jsonl", lines)])
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.pointer)
        .collect();
    let expected = [
        "a.jsonl:3",
        "a.jsonl:1#/text",
        "a.jsonl:2#/label/0",
        "a.jsonl:4#/label/0",
        "a.jsonl:4#/label/1",
        "a.jsonl:5#",
    ];
    assert_eq!(places, expected);
}

fn task(text: &str, results: &str) -> [File; 1] {
    let content = format!(
        r#"[{{"id":1,"data":{{"text":{text}}},"annotations":[{{"id":1,"was_cancelled":false,"result":[{results}]}}],"predictions":[]}}]"#
    );
    [file("tasks.json", &content)]
}

fn result(start: usize, end: usize, text: &str) -> String {
    format!(
        r#"{{"id":"x","type":"labels","from_name":"label","to_name":"text","value":{{"start":{start},"end":{end},"text":"{text}","labels":["A"]}}}}"#
    )
}

/// The editor's own test selects "test" in this text and gets 21..25: code points. In UTF-16 it begins at 22.
#[test]
fn label_studio_counts_code_points_and_counted_utf16_before() {
    let text = r#""🐱 Warning: This is a test text""#;
    let now = read(Format::LabelStudio, &task(text, &result(21, 25, "test")));
    assert_eq!((labels(&now, 0), now.report.is_empty()), (vec![pair("A", "test")], true));
    let before = read(Format::LabelStudio, &task(text, &result(22, 26, "test")));
    assert_eq!(labels(&before, 0), [pair("A", "test")]);
    assert_eq!(counts(&before.report), [(Change::OffsetsUtf16, 1)]);
    let moved = read(Format::LabelStudio, &task(text, &result(17, 21, "test")));
    assert_eq!(labels(&moved, 0), [pair("A", "test")]);
    assert_eq!(counts(&moved.report), [(Change::TextMoved, 1)]);
    let absent = read(Format::LabelStudio, &task(text, &result(21, 25, "best")));
    assert_eq!((labels(&absent, 0), counts(&absent.report)), (vec![], vec![(Change::TextDisagrees, 1)]));
    let exported = export(Format::LabelStudio, &now.set);
    let tasks: serde_json::Value = serde_json::from_slice(&exported.files[0].bytes).unwrap();
    let value = &tasks[0]["annotations"][0]["result"][0]["value"];
    assert_eq!((value["start"].as_u64(), value["end"].as_u64()), (Some(21), Some(25)));
    let interface = String::from_utf8(exported.files[1].bytes.clone()).unwrap();
    assert!(interface.contains("<Label value=\"A\"/>"), "{interface}");
}

#[test]
fn label_studio_tasks_with_more_than_labels_say_so() {
    let tasks = r#"[{"data":{"text":"Ana"},"annotations":[
        {"was_cancelled":true,"result":[{"type":"labels","value":{"start":0,"end":1,"labels":["A"]}}]},
        {"result":[{"type":"labels","value":{"start":"0","end":"3","labels":["A","B"]}},{"type":"choices","value":{}},{"type":"relation"}]},
        {"result":[{"type":"labels","value":{"start":0,"end":2,"labels":["A"]}}]}]},
        {"data":{"text":"unseen"},"annotations":[]}]"#;
    let read = read(Format::LabelStudio, &[file("t.json", tasks)]);
    assert_eq!(labels(&read, 0), [pair("A", "Ana")]);
    let expected = [(Change::OverlappingLabel, 1), (Change::Rejected, 1), (Change::OtherAnnotation, 3)];
    assert_eq!(counts(&read.report), expected);
    assert!(read.set.documents[1].regions.is_empty());
    let broken = r#"[{"text":"Ana","label":[]},{"data":{"text":"a"},"annotations":[{"result":[{"type":"labels","value":{"start":0,"labels":["A"]}}]}]}]"#;
    let places: Vec<_> = import(Format::LabelStudio, &[file("t.json", broken)])
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.pointer)
        .collect();
    assert_eq!(places, ["t.json#/0/data", "t.json#/1/annotations/0/result/0/value/end"]);
}

#[test]
fn standoff_is_read_with_its_pieces_and_other_lines() {
    let text = "🙂 Ana\r\nRuiz has heart and lung disease";
    let annotations = "T1\tPerson 2 5;7 11\tAna Ruiz\nT2\tDisease 16 21;31 38\theart disease\nT3\tOrgan 26 30\tlung\n\
        R1\tPart Arg1:T3 Arg2:T2\nA1\tNegated T2\n#1\tAnnotatorNotes T1\tsure\nT4\tPerson 90 99\tnobody\n*\tEquiv T1 T2\n";
    let configuration = "[entities]\nPerson\n\tMinor\n-----\nDisease\nOrgan\n[relations]\nPart\tArg1:Organ\n";
    let files = [
        file("a.txt", text),
        file("a.ann", annotations),
        file("annotation.conf", configuration),
        file("b.txt", "unseen"),
    ];
    let read = read(Format::Brat, &files);
    assert_eq!(labels(&read, 0), [pair("Person", "Ana\r\nRuiz"), pair("Disease", "heart and lung disease")]);
    assert_eq!(
        counts(&read.report),
        [
            (Change::OverlappingLabel, 1),
            (Change::TextDisagrees, 1),
            (Change::OtherAnnotation, 4),
            (Change::DiscontinuousLabel, 1)
        ]
    );
    let names: Vec<_> = read.set.categories.iter().map(|entry| entry.category.as_str()).collect();
    assert_eq!(names, ["Person", "Minor", "Disease", "Organ"]);
    assert!(read.set.documents[1].regions.is_empty());
    assert_eq!(
        refused(Format::Brat, &[file("a.txt", "a"), file("a.ann", "T1 A 0 1 a\nQ\n"), file("b.ann", "")]),
        [
            "b.ann: there is no b.txt beside it",
            "a.ann:1: must read: id, tab, category, start, end, tab, text",
            "a.ann:2: is no annotation: T, R, E, A, M, N, * or # is expected first"
        ]
    );
}

#[test]
fn everything_becomes_a_label_file_that_imports() {
    let line = r#"{"text":"José Peña 🙂, EUR 90","entities":[[13,19,"Amount"]],"meta":{"location":"claim.txt","dataset":"Test"}}"#;
    let project = placeholder_project();
    let set = to_contract(Format::Spacy, &[file("a.jsonl", line)], &project).unwrap();
    let entry = &set.file.assets.as_ref().unwrap().documents[0];
    // One higher than in code points: the emoji is two UTF-16 units.
    assert_eq!((entry.entities[0].labels[0].offset, entry.entities[0].labels[0].length), (14, 6));
    assert_eq!(label_formats::check(&set.file, &language_api::Limits::default()), []);
    assert!(set.report.is_empty(), "{:?}", set.report);
    let long = format!(r#"{{"text":"{}","entities":[[0,501,"A"]]}}"#, "a".repeat(501));
    let long = to_contract(Format::Spacy, &[file("a.jsonl", &long)], &project).unwrap();
    assert_eq!(counts(&long.report), [(Change::BeyondLimits, 1)]);
}

#[test]
fn the_contracts_set_is_proved_as_a_whole() {
    let line = r#"{"text":"Ana","entities":[[0,3,"A"]],"meta":{"location":"a.txt"}}"#;
    let mut files = export(Format::Contract, &read(Format::Spacy, &[file("a.jsonl", line)]).set).files;
    let labels = String::from_utf8(files[0].bytes.clone()).unwrap();
    let broken = labels
        .replace("\"length\": 3", "\"length\": 9")
        .replace("\"regionLength\": 3", "\"regionLength\": 9");
    files[0].bytes = broken.into_bytes();
    let found = refused(Format::Contract, &files);
    let region = "labels.json#/assets/documents/0/entities/0";
    assert_eq!(
        found,
        [
            format!("{region}: \"a.txt\": region at 0 reaches 9, but the document has 3 UTF-16 units"),
            format!(
                "{region}/labels/0: \"a.txt\": label \"A\" at 0..9 reaches 9, but the document has 3 UTF-16 units"
            ),
        ]
    );
    files.truncate(1);
    assert!(refused(Format::Contract, &files)[0].contains("there is no text \"a.txt\""));
}

#[test]
fn marks_at_a_texts_start_move_offsets() {
    let line = "{\"text\":\"\u{FEFF}Ana Ruiz\",\"entities\":[[1,4,\"A\"]]}";
    let read_line = read(Format::Spacy, &[file("a.jsonl", line)]);
    assert_eq!(labels(&read_line, 0), [pair("A", "Ana")]);
    assert_eq!(counts(&read_line.report), [(Change::ByteOrderMark, 1)]);
    assert!(detect(&[file("a.bin", "\u{0}")]).is_err());
}
