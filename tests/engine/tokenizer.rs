//! Token ids against open_clip's, for CLIP's own vocabulary and for tokenizer.json files.

use std::fs;
use std::time::{Duration, Instant};

use cliploupe_engine::{
    clip::config::{ClipConfig, TokenizerKind},
    files::Files,
    tokenizer::{Clean, FileRules, Language, Tokenizer, TokenizerConfig, TokenizerError, Tokens},
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::support::{Copy, asset, fixture};

fn golden<T: DeserializeOwned>(path: &str) -> T {
    serde_json::from_slice(&fs::read(fixture(path)).unwrap()).unwrap()
}

fn clip(context_length: usize) -> Tokenizer {
    Tokenizer::clip(&fs::read_to_string(asset("tokenizer/clip_merges.txt")).unwrap(), context_length).unwrap()
}

fn config(context_length: usize) -> TokenizerConfig {
    TokenizerConfig { context_length, pad_id: 0, clean: Clean::Whitespace, strip_sep_token: false }
}

fn embedded(context_length: usize) -> Tokenizer {
    Tokenizer::from_file(&asset("model/tokenizer.json"), config(context_length)).unwrap()
}

fn before_padding(tokens: &Tokens) -> &[u32] {
    &tokens.ids[..tokens.len]
}

#[derive(Deserialize)]
struct ClipGolden {
    vocab_size: usize,
    sot: u32,
    eot: u32,
    cases: Vec<Case>,
    clean_canonicalize: Vec<Cleaned>,
    clean_whitespace: Vec<Cleaned>,
    clean_lower: Vec<Cleaned>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    ids_ctx16: Vec<u32>,
}

#[derive(Deserialize)]
struct Cleaned {
    text: String,
    out: String,
}

#[test]
fn clip_gives_open_clips_ids() {
    let golden: ClipGolden = golden("tokenizer/clip.json");
    let (full, short) = (clip(77), clip(16));
    assert_eq!(
        (full.vocab_size(), full.start_id(), full.end_id()),
        (golden.vocab_size, Some(golden.sot), Some(golden.eot))
    );
    for Case { text, ids, ids_ctx16 } in golden.cases {
        let tokens = full.encode(&text).unwrap();
        assert_eq!(before_padding(&tokens), ids, "{text:?}");
        assert!(tokens.ids[tokens.len..].iter().all(|&id| id == 0) && tokens.ids.len() == 77, "{text:?}");
        assert_eq!(short.encode(&text).unwrap().ids, ids_ctx16, "{text:?}");
    }
}

#[test]
fn texts_are_cleaned_as_open_clip_cleans_them() {
    let golden: ClipGolden = golden("tokenizer/clip.json");
    let kinds = [
        (Clean::Canonicalize, golden.clean_canonicalize),
        (Clean::Whitespace, golden.clean_whitespace),
        (Clean::Lower, golden.clean_lower),
    ];
    for (clean, cases) in kinds {
        for Cleaned { text, out } in cases {
            assert_eq!(clean.apply(&text), out, "{clean:?} {text:?}");
        }
    }
}

/// Mojibake, entities, odd spaces and noise: see `make.py` beside the fixture.
#[test]
fn hard_texts_are_cleaned_and_cut_as_open_clip_does() {
    #[derive(Deserialize)]
    struct Hard {
        text: String,
        lower: String,
        whitespace: String,
        canonicalize: String,
        ids: Vec<u32>,
    }
    let tokenizer = clip(77);
    for hard in golden::<Vec<Hard>>("tokenizer/hard.json") {
        let text = &hard.text;
        assert_eq!(Clean::Lower.apply(text), hard.lower, "{text:?}");
        assert_eq!(Clean::Whitespace.apply(text), hard.whitespace, "{text:?}");
        assert_eq!(Clean::Canonicalize.apply(text), hard.canonicalize, "{text:?}");
        assert_eq!(before_padding(&tokenizer.encode(text).unwrap()), hard.ids, "{text:?}");
    }
}

#[test]
fn a_tokenizer_json_of_each_style_gives_the_reference_ids() {
    #[derive(Deserialize)]
    struct Style {
        pad_id: u32,
        cases: Vec<Case>,
    }
    let styles: std::collections::BTreeMap<String, Style> = golden("tokenizer/styles.json");
    assert_eq!(styles.len(), 3);
    for (style, Style { pad_id, cases }) in styles {
        let path = fixture(&format!("tokenizer/{style}.json"));
        let load = |context_length| {
            let config = TokenizerConfig { pad_id, clean: Clean::Canonicalize, ..config(context_length) };
            Tokenizer::from_file(&path, config).unwrap()
        };
        let (full, short) = (load(1024), load(16));
        for Case { text, ids, ids_ctx16 } in cases {
            assert_eq!(before_padding(&full.encode(&text).unwrap()), ids, "{style} {text:?}");
            assert_eq!(short.encode(&text).unwrap().ids, ids_ctx16, "{style} {text:?}");
            assert_eq!(short.encode_label(&text).unwrap().ids, ids_ctx16, "{style} {text:?}");
        }
    }
}

#[test]
fn the_embedded_model_gets_its_ids() {
    #[derive(Deserialize)]
    struct Golden {
        context_length: usize,
        labels: Vec<Label>,
    }
    #[derive(Deserialize)]
    struct Label {
        text: String,
        token_ids: Vec<u32>,
    }
    let golden: Golden = golden("embedded/golden.json");
    let tokenizer = embedded(golden.context_length);
    assert_eq!(golden.labels.len(), 40);
    for Label { text, token_ids } in golden.labels {
        let tokens = tokenizer.encode_label(&text).unwrap();
        assert_eq!(before_padding(&tokens), token_ids, "{text:?}");
        assert_eq!(tokenizer.encode(&text).unwrap(), tokens, "{text:?}");
        assert_eq!(tokens.ids.len(), golden.context_length, "{text:?}");
        assert!(tokens.ids[tokens.len..].iter().all(|&id| id == tokenizer.pad_id()), "{text:?}");
        assert!(!tokens.truncated, "{text:?}");
    }
}

#[test]
fn clipa_has_zeros_for_its_separators() {
    let path = fixture("tokenizer/wordpiece_bert_style.json");
    let kept = Tokenizer::from_file(&path, config(16)).unwrap();
    let stripped = Tokenizer::from_file(&path, TokenizerConfig { strip_sep_token: true, ..config(16) }).unwrap();
    let (kept_ids, ids) =
        (kept.encode("a photo of a cat").unwrap().ids, stripped.encode("a photo of a cat").unwrap().ids);
    assert_eq!(kept_ids.iter().filter(|&&id| Some(id) == kept.end_id()).count(), 1);
    let zeroed: Vec<u32> = kept_ids.into_iter().map(|id| if Some(id) == kept.end_id() { 0 } else { id }).collect();
    assert_eq!((ids, stripped.end_id()), (zeroed, None));
}

#[test]
fn a_label_yields_no_start_or_end_id() {
    let literals = ["<start_of_text>", "<end_of_text>", "[CLS]", "[SEP]", "</s>", "<eos>", "&lt;END_OF_TEXT&gt;"];
    let tokenizers = [
        clip(77),
        embedded(64),
        Tokenizer::from_file(&fixture("tokenizer/unigram_t5_style.json"), config(64)).unwrap(),
        Tokenizer::from_file(&fixture("tokenizer/bpe_gemma_style.json"), config(64)).unwrap(),
    ];
    for tokenizer in &tokenizers {
        for literal in literals {
            for text in [literal.to_owned(), format!("cat {literal} dog"), format!("cat{literal}{literal}dog")] {
                let tokens = tokenizer.encode_label(&text).unwrap();
                let inner = &before_padding(&tokens)[usize::from(tokenizer.start_id().is_some())..tokens.len - 1];
                let special = [tokenizer.start_id(), tokenizer.end_id()];
                assert!(inner.iter().all(|&id| !special.contains(&Some(id))), "{text:?} {:?}", tokens.ids);
            }
        }
    }
}

#[test]
fn a_label_without_specials_is_the_same_both_ways() {
    let tokenizer = clip(77);
    let pairs =
        [("cat <end_of_text> dog", "cat dog"), ("<start_of_text>sunset", "sunset"), ("<|endoftext|>", "<|endoftext|>")];
    for (typed, same_as) in pairs {
        assert_eq!(tokenizer.encode_label(typed).unwrap(), tokenizer.encode(same_as).unwrap(), "{typed}");
    }
    assert_ne!(tokenizer.encode(pairs[0].0).unwrap(), tokenizer.encode(pairs[0].1).unwrap());
}

/// Every text gives a full context that starts and ends as it must, quickly, whatever is in it.
#[test]
fn no_text_is_too_strange() {
    let noise: String = (0..100_000_u64).map(|i| char::from(b'a' + ((i * i * 7919 + i * 31) % 26) as u8)).collect();
    let texts = [
        String::new(),
        "\0".to_owned(),
        "\0cat\0".repeat(1000),
        "😀👍🏽👨‍👩‍👧🏴󠁧󠁢󠁷󠁬󠁳󠁿".repeat(500),
        "日本語の写真".repeat(800),
        "\u{301}\u{327}\u{20dd}".repeat(1000),
        "\u{202e}صورة قطة\u{202c} ".repeat(500),
        "snow-covered mountain, ".repeat(220),
        noise,
        "x".repeat(100_000),
        "!".repeat(100_000),
        "\n".repeat(100_000),
        "é ".repeat(2_000_000),
        format!("&{}lt;", "amp;".repeat(25_000)),
        "&#".repeat(50_000),
        "€Â".repeat(25_000), // each character looks like the start of mojibake
        "日â€œcafÃ©â€ 本".repeat(3000),
        "\u{93}é".repeat(30_000),
        "\u{fffd}\u{ffff}\u{e000}\u{10ffff}".to_owned(),
    ];
    for tokenizer in [clip(77), embedded(64)] {
        for text in &texts {
            let start = Instant::now();
            let tokens = tokenizer.encode_label(text).unwrap();
            let head: String = text.chars().take(20).collect();
            // A debug build on a busy machine; a quadratic step takes minutes.
            assert!(start.elapsed() < Duration::from_secs(10), "{head:?} took {:?}", start.elapsed());
            assert_eq!(tokens.ids.len(), tokenizer.context_length(), "{head:?}");
            assert_eq!(tokens.ids.first().copied(), tokenizer.start_id(), "{head:?}");
            assert_eq!(before_padding(&tokens).last().copied(), tokenizer.end_id(), "{head:?}");
            assert!(!tokens.truncated || tokens.len == tokenizer.context_length(), "{head:?}");
        }
    }
}

#[test]
fn a_shorter_context_sees_the_start_of_the_longer_one() {
    let text = "a photo of a snow-covered mountain at sunset with two people walking a dog";
    let full = clip(77).encode(text).unwrap();
    for context_length in 3..20 {
        let cut = clip(context_length).encode(text).unwrap();
        let expected = context_length.min(full.len);
        assert_eq!(cut.ids[..expected - 1], full.ids[..expected - 1], "{context_length}");
        assert_eq!((cut.ids[expected - 1], cut.truncated), (49407, full.len > context_length), "{context_length}");
    }
}

#[test]
fn a_tokenizers_own_truncation_and_padding_are_ignored() {
    let mut json: serde_json::Value = golden("tokenizer/wordpiece_bert_style.json");
    json["truncation"] =
        serde_json::json!({"direction": "Left", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
    json["padding"] = serde_json::json!({"strategy": {"Fixed": 40}, "direction": "Left", "pad_to_multiple_of": null,
        "pad_id": 7, "pad_type_id": 0, "pad_token": "[PAD]"});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, json.to_string()).unwrap();
    let odd = Tokenizer::from_file(&path, config(16)).unwrap();
    let plain = Tokenizer::from_file(&fixture("tokenizer/wordpiece_bert_style.json"), config(16)).unwrap();
    assert_eq!(odd.encode("a photo of a cat").unwrap(), plain.encode("a photo of a cat").unwrap());
}

#[test]
fn an_unusable_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let load = |path: &std::path::Path| Tokenizer::from_file(path, config(16)).unwrap_err();

    let absent = load(&path);
    assert!(matches!(absent, TokenizerError::Read { .. }), "{absent}");
    assert!(absent.to_string().contains("tokenizer.json"), "{absent}");

    for content in ["", "{}", "[1, 2", r#"{"version": "1.0", "model": {"type": "Nonsense"}}"#] {
        fs::write(&path, content).unwrap();
        let refused = load(&path);
        assert!(matches!(refused, TokenizerError::Parse { .. }), "{content} {refused}");
        assert!(refused.to_string().contains("tokenizer.json"), "{refused}");
    }

    // The `tokenizers` crate panics on a template whose token has no id, and on broken JSON in a decoder.
    let mut json: serde_json::Value = golden("tokenizer/wordpiece_bert_style.json");
    json["post_processor"]["single"][0]["SpecialToken"]["id"] = "[NONE]".into();
    for content in [json.to_string(), r#"{"version": "1.0", "decoder": {"type": "#.to_owned()] {
        fs::write(&path, content).unwrap();
        assert!(matches!(load(&path), TokenizerError::Parse { .. }));
    }

    // Sparse: takes no space on disk.
    fs::File::create(&path).unwrap().set_len((128 << 20) + 1).unwrap();
    assert!(matches!(load(&path), TokenizerError::TooLarge { .. }));
}

/// How a checkpoint without languages, in open_clip's layout, uses the tokenizer beside it.
fn rules() -> FileRules {
    FileRules {
        clean: Some(Clean::Whitespace),
        class: "",
        strip_sep_token: false,
        language: Language::Untold,
        pad_id: None,
    }
}

fn beside(folder: &std::path::Path, rules: &FileRules) -> Result<Tokenizer, TokenizerError> {
    let found = Tokenizer::beside(&folder.join("config.json"), Files::Disk, rules, 24)?;
    Ok(found.unwrap_or_else(|| panic!("no tokenizer in {folder:?}")))
}

/// See `families.py` beside the fixture.
#[test]
fn the_tokenizer_of_each_family_gives_open_clips_ids() {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Use {
        family: String,
        clean: Option<Clean>,
        strip_sep_token: bool,
        language: Option<String>,
        cases: Vec<Padded>,
    }
    #[derive(Deserialize)]
    struct Padded {
        text: String,
        ids: Vec<u32>,
    }
    let uses: Vec<Use> = golden("tokenizer/families.json");
    assert_eq!(uses.len(), 10);
    for Use { family, clean, strip_sep_token, language, cases } in uses {
        let language = match language {
            Some(code) => Language::Code(code),
            None if family == "nllb" => Language::Default,
            None => Language::Untold,
        };
        // BERT's folder has its words and nothing else.
        let pad_id = (family == "bert").then_some(0);
        let rules = FileRules { clean, strip_sep_token, language, pad_id, ..rules() };
        let tokenizer = beside(&fixture(&format!("tokenizer/{family}")), &rules).unwrap();
        for Padded { text, ids } in cases {
            assert_eq!(tokenizer.encode(&text).unwrap().ids, ids, "{family} {rules:?} {text:?}");
        }
    }
}

#[test]
fn a_language_can_be_chosen_where_there_are_any() {
    let rules = |language| FileRules { language, ..rules() };
    let nllb = |language| beside(&fixture("tokenizer/nllb"), &rules(language));
    let mut tokenizer = nllb(Language::Default).unwrap();
    assert_eq!(tokenizer.languages().collect::<Vec<_>>(), ["ace_Arab", "deu_Latn", "eng_Latn", "fra_Latn", "zho_Hans"]);
    tokenizer.set_language("fra_Latn").unwrap();
    let french = nllb(Language::Code("fra_Latn".into())).unwrap();
    assert_eq!(tokenizer.encode("un chat").unwrap(), french.encode("un chat").unwrap());

    for code in ["tlh_Latn", "chat", "<pad>", ""] {
        let refused = tokenizer.set_language(code).unwrap_err();
        assert!(matches!(&refused, TokenizerError::UnknownLanguage { count: 5, .. }), "{refused}");
    }
    assert!(matches!(nllb(Language::Code("tlh_Latn".into())), Err(TokenizerError::UnknownLanguage { .. })));
    let mut untold = beside(&fixture("tokenizer/roberta"), &rules(Language::Untold)).unwrap();
    assert!(matches!(untold.set_language("fra_Latn"), Err(TokenizerError::NoLanguages { .. })));
}

/// A folder with the tokenizer of `family`, whose files can be spoilt.
fn spoilt(family: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(&format!("tokenizer/{family}"))).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn padding_is_what_the_files_say_it_is() {
    let folder = spoilt("xlm-roberta");
    let pad_id = |rules: &FileRules| beside(folder.path(), rules).map(|tokenizer| tokenizer.pad_id());
    let write = |name: &str, json: serde_json::Value| fs::write(folder.path().join(name), json.to_string()).unwrap();
    assert_eq!(pad_id(&rules()).unwrap(), 1);

    write("tokenizer_config.json", serde_json::json!({ "pad_token": "</s>" }));
    write("special_tokens_map.json", serde_json::json!({ "pad_token": "<s>" }));
    assert_eq!(pad_id(&rules()).unwrap(), 2);
    write("tokenizer_config.json", serde_json::json!({ "pad_token": null }));
    assert_eq!(pad_id(&rules()).unwrap(), 0);
    write("special_tokens_map.json", serde_json::json!({ "pad_token": { "content": "<unk>", "lstrip": false } }));
    assert_eq!(pad_id(&rules()).unwrap(), 3);
    write("special_tokens_map.json", serde_json::json!({ "pad_token": "[PAD]" }));
    let refused = pad_id(&rules()).unwrap_err().to_string();
    assert!(refused.contains("[PAD]") && refused.contains("pad_token"), "{refused}");

    fs::remove_file(folder.path().join("special_tokens_map.json")).unwrap();
    assert!(matches!(pad_id(&rules()), Err(TokenizerError::NoPadding { .. })));
    assert_eq!(pad_id(&FileRules { pad_id: Some(9), ..rules() }).unwrap(), 9);
    let mut json: serde_json::Value = golden("tokenizer/xlm-roberta/tokenizer.json");
    let padding = |direction: &str| {
        serde_json::json!({ "strategy": "BatchLongest", "direction": direction, "pad_to_multiple_of": null, "pad_id": 7,
            "pad_type_id": 0, "pad_token": "x" })
    };
    json["padding"] = padding("Right");
    write("tokenizer.json", json.clone());
    assert_eq!(pad_id(&FileRules { pad_id: Some(9), ..rules() }).unwrap(), 7);
    json["padding"] = padding("Left");
    write("tokenizer.json", json);
    assert!(pad_id(&rules()).unwrap_err().to_string().contains("left"));
}

#[test]
fn settings_that_are_not_followed_are_refused_by_name() {
    for (family, key, value) in [
        ("roberta", "padding_side", serde_json::json!("left")),
        ("roberta", "truncation_side", serde_json::json!("left")),
        ("nllb", "legacy_behaviour", serde_json::json!(true)),
        ("bert", "do_basic_tokenize", serde_json::json!(false)),
        ("bert", "sep_token", serde_json::json!("[END]")),
    ] {
        let folder = spoilt(family);
        fs::write(folder.path().join("tokenizer_config.json"), serde_json::json!({ key: value }).to_string()).unwrap();
        let language = if family == "nllb" { Language::Default } else { Language::Untold };
        let refused = beside(folder.path(), &FileRules { language, pad_id: Some(0), ..rules() }).unwrap_err();
        assert!(refused.to_string().contains(key), "{refused}");
    }
    let folder = spoilt("bert");
    fs::write(folder.path().join("vocab.txt"), b"[UNK]\n\xff\xfe\n").unwrap();
    assert!(matches!(beside(folder.path(), &rules()), Err(TokenizerError::Parse { .. })));
    fs::write(folder.path().join("tokenizer_config.json"), "[]").unwrap();
    assert!(matches!(beside(folder.path(), &rules()), Err(TokenizerError::Parse { .. })));
}

#[test]
fn berts_words_are_lower_case_unless_the_files_say_otherwise() {
    let folder = spoilt("bert");
    let ids = |text: &str| {
        beside(folder.path(), &FileRules { pad_id: Some(0), ..rules() }).unwrap().encode(text).unwrap().ids
    };
    assert_eq!(ids("A CAT"), ids("a cat"));
    fs::write(folder.path().join("tokenizer_config.json"), r#"{"do_lower_case": false}"#).unwrap();
    assert_ne!(ids("A CAT"), ids("a cat"));
}

/// What open_clip's configurations of the families say about texts, by one configuration of each.
#[test]
fn every_family_has_its_context_padding_and_cleaning() {
    let configs: serde_json::Value = serde_json::from_slice(&fs::read(asset("models/configs.json")).unwrap()).unwrap();
    let read = |name: &str| {
        let path = std::path::Path::new("open_clip_config.json");
        ClipConfig::from_open_clip(configs[name].clone(), Files::Disk, path, None)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for (name, context_length) in
        [("ViT-B-32", 77), ("coca_ViT-B-32", 76), ("PE-Core-B-16", 32), ("PE-Core-bigG-14-448", 72)]
    {
        let config = read(name);
        assert_eq!((config.context_length, config.tokenizer), (context_length, TokenizerKind::Clip), "{name}");
    }
    use Clean::{Canonicalize, Whitespace};
    use Language::{Default, Untold};
    for (name, context_length, pad_id, clean, strip_sep_token, language) in [
        ("ViT-L-14-CLIPA", 32, 0, Whitespace, true, Untold),
        ("ViT-B-16-SigLIP", 64, 1, Canonicalize, false, Untold),
        ("ViT-B-16-SigLIP-i18n-256", 64, 1, Canonicalize, false, Untold),
        ("ViT-B-16-SigLIP2", 64, 0, Canonicalize, false, Untold),
        ("ViT-H-14-worldwide", 77, 1, Whitespace, false, Untold),
        ("roberta-ViT-B-32", 77, 1, Whitespace, false, Untold),
        ("xlm-roberta-base-ViT-B-32", 77, 1, Whitespace, false, Untold),
        ("nllb-clip-base", 77, 1, Whitespace, false, Default),
        ("nllb-clip-large-siglip", 77, 1, Whitespace, false, Default),
    ] {
        let config = read(name);
        let pad_id = Some(pad_id);
        let rules = FileRules { clean: Some(clean), class: "", strip_sep_token, language, pad_id };
        assert_eq!((config.context_length, config.tokenizer), (context_length, TokenizerKind::File(rules)), "{name}");
    }
}

#[test]
fn a_chinese_clip_folder_needs_only_its_words() {
    let copy = Copy::of("hf-chinese-clip");
    fs::copy(fixture("tokenizer/bert/vocab.txt"), copy.path().join("vocab.txt")).unwrap();
    let model = copy.load().unwrap();
    let tokens = model.tokenize(&["猫的照片", "a cat"]).unwrap();
    assert_eq!((tokens.length(), &tokens.ids()[..7]), (16, &[3, 33, 35, 31, 32, 4, 0][..]));
    assert_eq!(model.clip.text_pooled_short(&tokens).dims(), [2, 48]);
}

#[test]
fn nllb_clip_is_told_the_language() {
    let copy = Copy::of("nllb-linear");
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(fixture(&format!("tokenizer/nllb/{name}")), copy.path().join(name)).unwrap();
    }
    let mut model = copy.load().unwrap();
    let first = |model: &cliploupe_engine::Model| model.tokenize(&["un chat"]).unwrap().ids()[0];
    assert_eq!(first(&model), 153);
    model.set_language("fra_Latn").unwrap();
    assert_eq!(first(&model), 154);
    let refused = cliploupe_engine::chain(&model.set_language("français").unwrap_err());
    assert!(refused.contains("français") && refused.contains("ace_Arab"), "{refused}");

    let mut clip = Copy::of("e2e-clip-f16").load().unwrap();
    let refused = cliploupe_engine::chain(&clip.set_language("fra_Latn").unwrap_err());
    assert!(refused.contains("not told the language"), "{refused}");
}
