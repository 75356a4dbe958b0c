//! `src-tauri/MODELS.md`: which models of the catalogue the engine takes, asked of the engine itself.

use std::{fmt::Write, fs, path::Path};

use cliploupe_engine::{LoadError, chain, clip::config::ClipConfig, files::Files};

use super::{Catalogue, Entry};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../MODELS.md");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/clip");

/// Folders of `tests/fixtures/clip/` with a tiny model of each group and every stage of open_clip's run of it.
const GOLDENS: [(&str, &[&str]); 20] = [
    ("vit", &["clip-vit", "clip-vit-quickgelu", "clip-vit-layerscale", "custom-text", "e2e-clip-f16"]),
    ("siglip2", &["siglip2"]),
    ("vitamin", &["vitamin"]),
    ("siglip", &["siglip"]),
    ("convnext", &["convnext-linear", "convnext-xxl-eps"]),
    ("resnet", &["clip-rn"]),
    ("clipa", &["clipa"]),
    ("mobileclip-s", &["mobileclip-s"]),
    ("pe-core", &["pe-core", "pe-core-nocls"]),
    ("eva02", &["eva02", "eva02-postnorm"]),
    ("metaclip2", &["worldwide-eos"]),
    ("coca", &["coca"]),
    // Both of its towers are in other groups, and nothing joins them but the projections.
    ("nllb-siglip", &["siglip", "nllb-linear"]),
    ("mobileclip-b", &["mobileclip-b"]),
    ("convnext-mlp", &["convnext-mlp"]),
    ("hf-text", &["roberta-mlp", "xlmr-mlp"]),
    ("eva01", &["eva01"]),
    ("nllb", &["nllb-linear"]),
    ("mobileclip2-l", &["mobileclip2-l"]),
    ("siglip-i18n", &["siglip-proj-none"]),
];

/// Why the engine refuses a model's configuration, if it does.
fn refusal(catalogue: &Catalogue, entry: &Entry) -> Option<String> {
    let model_cfg = catalogue.open_clip_config(entry)["model_cfg"].take();
    match ClipConfig::from_open_clip(model_cfg, Files::Disk, Path::new("open_clip_config.json"), None) {
        Ok(_) => None,
        Err(LoadError::Unsupported { what, .. }) => Some(what),
        Err(error) => Some(chain(&error)),
    }
}

fn goldens(group: &str) -> &'static [&'static str] {
    GOLDENS.iter().find(|(id, _)| *id == group).expect("a golden of every group").1
}

fn table(catalogue: &Catalogue) -> Result<String, std::fmt::Error> {
    let verdicts: Vec<_> = catalogue.models.iter().map(|entry| (entry, refusal(catalogue, entry))).collect();
    let taken = verdicts.iter().filter(|(_, refusal)| refusal.is_none()).count();
    let mut out = String::from(
        "# Models\n\n\
         Written by the test `models_table` of `workbench/src/catalogue/`, which asks the engine; do not edit. After a\n\
         change, `CLIPLOUPE_BLESS=1 cargo test --workspace --features custom-protocol --lib -- models_table` writes it\n\
         anew.\n\n",
    );
    writeln!(
        out,
        "open_clip {} has {} pretrained tags, in {} architecture groups. The engine takes the configuration of {taken}.\n\
         Goldens are folders of `tests/fixtures/clip/`.\n",
        catalogue.open_clip,
        verdicts.len(),
        catalogue.groups.len(),
    )?;
    out.push_str("| group | image tower → projection | text tower → projection | tags | taken | goldens |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for group in &catalogue.groups {
        let members = || verdicts.iter().filter(|(entry, _)| entry.group == group.id);
        let taken = members().filter(|(_, refusal)| refusal.is_none()).count();
        let goldens = goldens(&group.id).iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let tags = members().count();
        writeln!(out, "| `{}` | {} | {} | {tags} | {taken} | {goldens} |", group.id, group.vision, group.text)?;
    }
    if taken < verdicts.len() {
        out.push_str("\n## Refused\n\n| model | what the engine does not take |\n| --- | --- |\n");
        for (entry, refusal) in &verdicts {
            if let Some(reason) = refusal {
                writeln!(out, "| `{}` | {} |", entry.name, reason.replace('|', "\\|"))?;
            }
        }
    }
    Ok(out)
}

#[test]
fn models_table_says_what_the_engine_takes() {
    let expected = table(Catalogue::get()).unwrap();
    if std::env::var_os("CLIPLOUPE_BLESS").is_some() {
        fs::write(TABLE, &expected).unwrap();
    }
    let found = fs::read_to_string(TABLE).unwrap_or_default().replace("\r\n", "\n");
    assert!(found == expected, "src-tauri/MODELS.md is out of date; CLIPLOUPE_BLESS=1 writes it anew");
}

#[test]
fn models_table_names_goldens_that_exist() {
    for (group, names) in GOLDENS {
        assert!(Catalogue::get().groups.iter().any(|known| known.id == group), "{group}");
        for name in names {
            assert!(Path::new(FIXTURES).join(name).join("golden.safetensors").is_file(), "{name}");
        }
    }
}
