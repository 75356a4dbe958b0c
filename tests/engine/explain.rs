//! One photo explained: against goldens, against closed forms, and by what must add up.

use cliploupe_engine::{
    Checkpoint, Device, Model,
    device::read,
    explain::{Abilities, Answer, Ask, Effect, ExplainError, Unavailable, explain},
    lab::{Head, Map, Table, head::identity},
    photo::{self, Limits},
    preprocess::{normalise, resize_and_crop},
    probe::Probe,
    zero_shot::text_embeddings,
};

use crate::support::{Copy, Golden, OwnedTensor, asset, fixture, load};

fn head_of(model: &Model) -> Head {
    Head::of(model.clip.image_projection()).unwrap()
}

/// Some direction of length 1.
fn direction(size: usize) -> Vec<f32> {
    Table::new(size, (0..size).map(|i| ((i * i + 1) as f32).sin()).collect()).unit().values().to_vec()
}

/// Some picture.
fn picture(model: &Model) -> Vec<f32> {
    let [height, width] = model.config.vision.image_size();
    (0..3 * height * width).map(|i| ((i % width * 7 + i / width * 3) as f32 * 0.37).sin()).collect()
}

/// The first picture of a golden.
fn first_picture(golden: &Golden) -> Vec<f32> {
    golden.values[..golden.values.len() / golden.shape[0]].to_vec()
}

fn cosine(vector: &[f32], label: &[f32]) -> f32 {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.iter().zip(label).map(|(a, b)| a * b).sum::<f32>() / length
}

/// cos(vector, label) of a picture, the usual way, through some head.
fn whole_cosine(model: &Model, head: &Head, pixels: &[f32], label: &[f32]) -> f32 {
    let pooled = model.clip.image_pooled(model.pixel_batch(pixels.to_vec()), &mut Probe::off());
    cosine(head.apply(&Table::new(head.input_dim(), read(pooled))).row(0), label)
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "{what} is off by {worst:e}");
}

fn grid(model: &Model, head: &Head, pixels: &[f32], ask: &Ask) -> (Vec<f32>, Option<f32>) {
    match explain(model, head, pixels.to_vec(), ask).unwrap() {
        Answer::Grid { grid, values, to_class } => {
            assert_eq!(values.len(), grid[0] * grid[1]);
            (values, to_class)
        }
        other => panic!("not a grid: {other:?}"),
    }
}

fn effects(model: &Model, head: &Head, pixels: &[f32], label: &[f32]) -> (Vec<Effect>, f64, f64) {
    match explain(model, head, pixels.to_vec(), &Ask::DirectEffects { label: label.to_vec() }).unwrap() {
        Answer::Effects { parts, bias, cosine } => (parts, bias, cosine),
        other => panic!("no effects: {other:?}"),
    }
}

fn lens(model: &Model, head: &Head, pixels: &[f32], labels: &[Vec<f32>]) -> Vec<Vec<f32>> {
    match explain(model, head, pixels.to_vec(), &Ask::Lens { labels: labels.to_vec() }).unwrap() {
        Answer::Lines { cosines } => cosines,
        other => panic!("no lines: {other:?}"),
    }
}

const ALL: &str = "patches values attention lens effects";
const NO_SUM: &str = "patches values attention lens";
const POOLED: &str = "values attention pool lens";
const CELLS: &str = "patches";

/// What each golden model can be asked, and why it has no direct effects.
const MODELS: &[(&str, &str, Option<Unavailable>)] = &[
    ("bias-text-linear", ALL, None),
    ("bias-timm-linear", CELLS, Some(Unavailable::Convolutional)),
    ("bias-timm-mlp", CELLS, Some(Unavailable::Convolutional)),
    ("clip-rn", "patches pool", Some(Unavailable::Convolutional)),
    ("clip-vit", ALL, None),
    ("clip-vit-layerscale", ALL, None),
    ("clip-vit-quickgelu", ALL, None),
    ("clipa", ALL, None),
    ("coca", POOLED, Some(Unavailable::AttentionPool)),
    ("convnext-linear", CELLS, Some(Unavailable::Convolutional)),
    ("convnext-mlp", CELLS, Some(Unavailable::Convolutional)),
    ("convnext-xxl-eps", CELLS, Some(Unavailable::Convolutional)),
    ("custom-text", ALL, None),
    ("e2e-clip-f16", ALL, None),
    ("eva01", ALL, None),
    ("eva02", NO_SUM, Some(Unavailable::InnerNorm)),
    ("eva02-postnorm", NO_SUM, Some(Unavailable::PostNorm)),
    ("hf-chinese-clip", ALL, None),
    ("hf-clip", ALL, None),
    ("hf-clip-gelu", ALL, None),
    ("hf-siglip", POOLED, Some(Unavailable::AttentionPool)),
    ("mobileclip-b", ALL, None),
    ("mobileclip-s", "patches attention", Some(Unavailable::Convolutional)),
    ("mobileclip2-l", ALL, None),
    ("nllb-linear", ALL, None),
    ("pe-core", POOLED, Some(Unavailable::AttentionPool)),
    ("pe-core-nocls", POOLED, Some(Unavailable::AttentionPool)),
    ("roberta-mlp", ALL, None),
    ("siglip", POOLED, Some(Unavailable::AttentionPool)),
    ("siglip-proj-none", POOLED, Some(Unavailable::AttentionPool)),
    ("siglip2", POOLED, Some(Unavailable::AttentionPool)),
    ("vitamin", ALL, None),
    ("worldwide-eos", ALL, None),
    ("xlmr-mlp", ALL, None),
];

#[test]
fn every_golden_model_answers_or_gives_its_reason() {
    let folders = std::fs::read_dir(fixture("clip")).unwrap().map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut models: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    models.sort();
    let listed: Vec<_> = MODELS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(listed, models);
    for (name, can, no_effects) in MODELS {
        let model = Copy::of(name).load().unwrap();
        let abilities = Abilities::of(&model.config.vision, &head_of(&model));
        assert_eq!(abilities.direct_effects, *no_effects, "{name}");
        assert_eq!(answers(name, &model, &abilities), *can, "{name}");
    }
}

/// Asks everything, checks what comes back, and names what was answered.
fn answers(name: &str, model: &Model, abilities: &Abilities) -> String {
    let (head, pixels) = (head_of(model), picture(model));
    let label = direction(head.output_dim());
    let last = abilities.layers.saturating_sub(1);
    let asks = [
        ("patches", Ask::PatchMap { label: label.clone() }, abilities.patch_map),
        ("values", Ask::ValueMap { label: label.clone() }, abilities.value_map),
        ("attention", Ask::Attention { layer: last, head: None, from: None }, abilities.attention),
        ("pool", Ask::PoolAttention { head: None }, abilities.pool_attention),
        ("lens", Ask::Lens { labels: vec![label.clone()] }, abilities.lens),
        ("effects", Ask::DirectEffects { label: label.clone() }, abilities.direct_effects),
    ];
    let whole = whole_cosine(model, &head, &pixels, &label);
    let mut answered = Vec::new();
    for (what, ask, reason) in asks {
        match (explain(model, &head, pixels.clone(), &ask), reason) {
            (Err(ExplainError::Unavailable(given)), Some(reason)) => assert_eq!(given, reason, "{name}: {what}"),
            (Ok(answer), None) => {
                check(&answer, abilities, whole, matches!(what, "attention" | "pool"), &format!("{name}: {what}"));
                answered.push(what);
            }
            (other, reason) => panic!("{name}: {what} is {other:?}, announced as {reason:?}"),
        }
    }
    answered.join(" ")
}

fn check(answer: &Answer, abilities: &Abilities, whole: f32, is_attention: bool, what: &str) {
    match answer {
        Answer::Grid { grid, values, to_class } => {
            assert_eq!((*grid, values.len()), (abilities.grid, abilities.places()), "{what}");
            if is_attention {
                let sum = values.iter().sum::<f32>() + to_class.unwrap_or(0.0);
                assert!((sum - 1.0).abs() < 1e-5, "{what} sums to {sum}");
            } else {
                assert!(values.iter().all(|value| value.abs() <= 1.0001), "{what}");
            }
        }
        Answer::Lines { cosines } => {
            assert_eq!(cosines[0].len(), abilities.layers + 1, "{what}");
            assert_close(&cosines[0][abilities.layers..], &[whole], 1e-5, what);
        }
        Answer::Effects { parts, bias, cosine } => {
            assert_eq!(parts.len(), 1 + abilities.layers * (abilities.heads + 1), "{what}");
            let sum = parts.iter().map(|part| part.value).sum::<f64>() + bias;
            assert!((sum - cosine).abs() < 1e-5, "{what} add up to {sum}, not {cosine}");
            assert_close(&[*cosine as f32], &[whole], 1e-5, what);
            let silent = parts.iter().filter(|part| part.value == 0.0).count();
            assert_eq!(silent, 0, "{what}: parts that add nothing");
        }
    }
}

#[test]
fn patch_maps_are_the_goldens_projected_places() {
    for name in ["clip-vit", "clip-vit-layerscale", "clipa", "clip-rn"] {
        let copy = Copy::of(name);
        let (model, golden) = (copy.load().unwrap(), copy.golden());
        let head = head_of(&model);
        let label = direction(head.output_dim());
        let expected: Vec<f32> =
            golden["visual.dense"].values.chunks_exact(label.len()).map(|place| cosine(place, &label)).collect();
        let ask = Ask::PatchMap { label };
        let (found, _) = grid(&model, &head, &first_picture(&golden["input.pixels"]), &ask);
        assert_close(&found, &expected, 2e-5, name);
    }
}

#[test]
fn attention_is_the_goldens_by_head_and_place_and_in_the_mean() {
    let copy = Copy::of("clip-vit");
    let (model, golden) = (copy.load().unwrap(), copy.golden());
    let (head, pixels) = (head_of(&model), first_picture(&golden["input.pixels"]));
    let pattern = &golden["visual.attn.1"];
    assert_eq!(pattern.shape, [1, 2, 17, 17]);
    let row = |head: usize, row: usize| &pattern.values[(head * 17 + row) * 17..][..17];
    let asked = |chosen, from| {
        let (values, to_class) = grid(&model, &head, &pixels, &Ask::Attention { layer: 1, head: chosen, from });
        [vec![to_class.unwrap()], values].concat()
    };
    assert_close(&asked(Some(1), None), row(1, 0), 1e-5, "head 1 from the class token");
    assert_close(&asked(Some(0), Some(5)), row(0, 6), 1e-5, "head 0 from place 5");
    let mean: Vec<f32> = row(0, 16).iter().zip(row(1, 16)).map(|(a, b)| (a + b) / 2.0).collect();
    assert_close(&asked(None, Some(15)), &mean, 1e-5, "all heads from the last place");
}

#[test]
fn the_pools_attention_is_the_goldens() {
    let copy = Copy::of("clip-rn");
    let (model, golden) = (copy.load().unwrap(), copy.golden());
    let (head, pixels) = (head_of(&model), first_picture(&golden["input.pixels"]));
    let pattern = &golden["visual.attn.pool"];
    assert_eq!(pattern.shape, [1, 4, 5]);
    let (values, to_mean) = grid(&model, &head, &pixels, &Ask::PoolAttention { head: Some(2) });
    assert_close(&[vec![to_mean.unwrap()], values].concat(), &pattern.values[10..15], 1e-5, "head 2");
}

#[test]
fn the_lens_is_the_goldens_at_every_depth_and_for_every_label() {
    let copy = Copy::of("clip-vit");
    let (model, golden) = (copy.load().unwrap(), copy.golden());
    let (head, pixels) = (head_of(&model), first_picture(&golden["input.pixels"]));
    let embed = head.output_dim();
    let labels: Vec<Vec<f32>> = golden["text_features_norm"].values.chunks_exact(embed).map(<[f32]>::to_vec).collect();
    let lines = lens(&model, &head, &pixels, &labels);
    assert_eq!(lines.len(), labels.len());
    for (line, label) in lines.iter().zip(&labels) {
        let at = |depth: usize| cosine(&golden[&format!("visual.lens.{depth}")].values[..embed], label);
        assert_close(line, &[at(0), at(1), at(2)], 2e-5, "lens");
    }
}

/// A picture of one place: what is seen alone is all that there is.
#[test]
fn the_value_map_of_a_single_place_is_the_picture() {
    for (name, side) in [("siglip2", 16), ("pe-core-nocls", 14), ("vitamin", 16)] {
        let checkpoint = Checkpoint::find(&fixture(&format!("clip/{name}")), None).unwrap();
        let model = Model::load(checkpoint, Some([side; 2]), &Device::flex()).unwrap();
        let (head, pixels) = (head_of(&model), picture(&model));
        let label = direction(head.output_dim());
        let expected = whole_cosine(&model, &head, &pixels, &label);
        let (found, _) = grid(&model, &head, &pixels, &Ask::ValueMap { label });
        assert_close(&found, &[expected], 1e-5, name);
    }
}

fn set(tensors: &mut std::collections::BTreeMap<String, OwnedTensor>, key: &str, at: impl Fn(usize) -> Option<f32>) {
    let (dtype, _, data) = tensors.get_mut(key).unwrap_or_else(|| panic!("{key}"));
    let size = if *dtype == safetensors::Dtype::F32 { 4 } else { 2 };
    for (i, bytes) in data.chunks_exact_mut(size).enumerate() {
        match (at(i), size) {
            (Some(value), 4) => bytes.copy_from_slice(&value.to_le_bytes()),
            (Some(value), _) => bytes.copy_from_slice(&half::f16::from_f32(value).to_le_bytes()),
            (None, _) => {}
        }
    }
}

/// One head whose queries and keys are large multiples of tokens of one length: every token sees itself alone.
fn self_centred(copy: Copy, block: &str, [norm, weight]: [&str; 2], biases: &[&str], width: usize) -> Copy {
    copy.edit_tensors(|tensors| {
        let key = |part: &str| format!("{block}.{part}");
        set(tensors, &key(&format!("{norm}.weight")), |_| Some(1.0));
        set(tensors, &key(&format!("{norm}.bias")), |_| Some(0.0));
        let identity = |i: usize| if i / width % width == i % width { 200.0 } else { 0.0 };
        set(tensors, &key(weight), |i| (i < 2 * width * width).then(|| identity(i)));
        for bias in biases {
            set(tensors, &key(bias), |i| (i < 2 * width).then_some(0.0));
        }
    })
}

#[test]
fn where_every_place_looks_at_itself_the_value_map_is_the_patch_map() {
    let maps = |copy: &Copy| {
        let model = copy.load().unwrap();
        let (head, pixels) = (head_of(&model), picture(&model));
        let label = direction(head.output_dim());
        let (patches, _) = grid(&model, &head, &pixels, &Ask::PatchMap { label: label.clone() });
        (patches, grid(&model, &head, &pixels, &Ask::ValueMap { label }).0)
    };
    let vit = || Copy::of("clip-vit").edit_config(|json| json["model_cfg"]["vision_cfg"]["head_width"] = 64.into());
    let eva = || {
        let heads = |json: &mut serde_json::Value| {
            json["model_cfg"]["vision_cfg"]["timm_model_kwargs"]["num_heads"] = 1.into();
        };
        Copy::of("eva01").edit_config(heads)
    };
    let changed = [
        (
            vit(),
            self_centred(
                vit(),
                "visual.transformer.resblocks.1",
                ["ln_1", "attn.in_proj_weight"],
                &["attn.in_proj_bias"],
                64,
            ),
        ),
        (eva(), self_centred(eva(), "visual.trunk.blocks.1", ["norm1", "attn.qkv.weight"], &["attn.q_bias"], 48)),
    ];
    for (original, self_centred) in changed {
        let (patches, values) = maps(&original);
        assert!(patches.iter().zip(&values).any(|(a, b)| (a - b).abs() > 1e-3), "the value path changes nothing");
        let (patches, values) = maps(&self_centred);
        assert_close(&values, &patches, 1e-5, "the value map");
    }
}

/// Without the last block's MLP, a head of that block has no other way to the feature than its own.
#[test]
fn a_head_that_is_taken_away_adds_nothing_and_leaves_the_others_their_shares() {
    const BLOCK: &str = "visual.transformer.resblocks.1";
    let without_mlp = || {
        Copy::of("clip-vit").edit_tensors(|tensors| {
            set(tensors, &format!("{BLOCK}.mlp.c_proj.weight"), |_| Some(0.0));
            set(tensors, &format!("{BLOCK}.mlp.c_proj.bias"), |_| Some(0.0));
        })
    };
    let of = |copy: &Copy| {
        let model = copy.load().unwrap();
        let (head, pixels) = (head_of(&model), picture(&model));
        effects(&model, &head, &pixels, &direction(head.output_dim())).0
    };
    let whole = of(&without_mlp());
    // Head 1 reads columns 32 to 63 of `[out, in]`.
    let cut = |i: usize| (i % 64 >= 32).then_some(0.0);
    let key = format!("{BLOCK}.attn.out_proj.weight");
    let without_head = of(&without_mlp().edit_tensors(|tensors| set(tensors, &key, cut)));
    let is_gone = |part: &Effect| part.layer == Some(1) && part.head != Some(0);
    let ratio = without_head[0].value / whole[0].value;
    for (before, after) in whole.iter().zip(&without_head) {
        assert_eq!((before.layer, before.head), (after.layer, after.head));
        if is_gone(after) {
            assert_eq!(after.value, 0.0, "{after:?}");
        } else {
            assert!((after.value / before.value - ratio).abs() < 1e-4, "{before:?} became {after:?}");
        }
    }
    assert!(whole.iter().any(|part| part.head == Some(1) && part.layer == Some(1) && part.value.abs() > 1e-4));
}

#[test]
fn the_head_in_force_answers_and_not_the_checkpoints() {
    let model = Copy::of("clip-vit").load().unwrap();
    let (original, pixels) = (head_of(&model), picture(&model));
    let label = direction(original.output_dim());
    let shift: Vec<f64> = label.iter().map(|value| f64::from(*value) * 0.7).collect();
    let shifted = original.shifted(&shift).unwrap();
    let expected = whole_cosine(&model, &shifted, &pixels, &label);
    assert!((expected - whole_cosine(&model, &original, &pixels, &label)).abs() > 0.05);
    let line = &lens(&model, &shifted, &pixels, std::slice::from_ref(&label))[0];
    assert_close(&line[2..], &[expected], 1e-5, "the lens");
    let (parts, bias, cosine) = effects(&model, &shifted, &pixels, &label);
    let sum = parts.iter().map(|part| part.value).sum::<f64>() + bias;
    assert!((sum - cosine).abs() < 1e-5 && (cosine as f32 - expected).abs() < 1e-5, "{sum}, {cosine}, {expected}");
    // A head that is no map at all gives the feature itself, and adds up too.
    let none = Head::new(original.input_dim(), Vec::new()).unwrap();
    let (parts, bias, cosine) = effects(&model, &none, &pixels, &direction(none.output_dim()));
    assert!((parts.iter().map(|part| part.value).sum::<f64>() + bias - cosine).abs() < 1e-5);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let model = Copy::of("clip-vit").load().unwrap();
    let (head, pixels) = (head_of(&model), picture(&model));
    let label = direction(head.output_dim());
    let refused = |head: &Head, pixels: &[f32], ask: &Ask| explain(&model, head, pixels.to_vec(), ask).unwrap_err();
    let attention = |layer, head, from| Ask::Attention { layer, head, from };
    for (ask, word) in [
        (attention(2, None, None), "block"),
        (attention(0, Some(2), None), "head"),
        (attention(0, None, Some(16)), "place"),
        (Ask::PatchMap { label: vec![1.0] }, "label"),
        (Ask::Lens { labels: vec![label.clone(), vec![]] }, "label"),
    ] {
        assert!(refused(&head, &pixels, &ask).to_string().contains(word), "{ask:?}");
    }
    let ask = Ask::PatchMap { label: label.clone() };
    assert!(refused(&head, &pixels[1..], &ask).to_string().contains("picture"));
    assert!(refused(&Head::new(3, Vec::new()).unwrap(), &pixels, &ask).to_string().contains("head"));
    assert!(matches!(refused(&head, &vec![f32::NAN; pixels.len()], &ask), ExplainError::NotFinite));
    let map = head.linear().unwrap().clone();
    let square = identity(map.weight.shape()[0]);
    let mlp = Head::new(head.input_dim(), vec![map, Map { weight: square, bias: None }]).unwrap();
    assert_eq!(Abilities::of(&model.config.vision, &mlp).direct_effects, Some(Unavailable::NonlinearHead));
    let error = refused(&mlp, &pixels, &Ask::DirectEffects { label });
    assert!(matches!(error, ExplainError::Unavailable(Unavailable::NonlinearHead)));
}

/// A sample photo as the embedded model's tower takes it.
fn sample(model: &Model, name: &str) -> Vec<f32> {
    let photo = photo::open(&asset(&format!("samples/{name}")), &Limits::default()).unwrap();
    normalise(&resize_and_crop(&photo.picture, &model.preprocess), &model.preprocess)
}

/// The embedded model averages the cells of its last map, and its head is linear.
#[test]
fn the_embedded_models_places_average_to_the_picture() {
    let model = load(&asset("model"), &Device::flex()).unwrap();
    let (head, pixels) = (head_of(&model), sample(&model, "chelsea.png"));
    let mut probe = Probe::only(|name| ["visual.patches", "visual.pooled"].contains(&name));
    model.clip.image_pooled(model.pixel_batch(pixels.clone()), &mut probe);
    let mut stages = probe.into_stages();
    let mut project = |name: &str| head.apply(&Table::new(1280, stages.remove(name).unwrap().values));
    let (places, whole) = (project("visual.patches"), project("visual.pooled"));
    assert_eq!(places.count(), 81);
    let mean: Vec<f32> = places.mean().unwrap().into_iter().map(|value| value as f32).collect();
    assert_close(&mean, whole.row(0), 1e-4, "the mean of the places");
    // The map is of these places.
    let label = text_embeddings(&model.clip, &model.tokenize(&["cat"]).unwrap());
    let expected: Vec<f32> = places.rows().map(|place| cosine(place, &label)).collect();
    let (found, _) = grid(&model, &head, &pixels, &Ask::PatchMap { label });
    assert_close(&found, &expected, 1e-5, "the cat's map");
}

/// An astronaut between a flag on the left and a model of a shuttle at the upper right.
#[test]
fn the_embedded_model_points_at_what_a_word_names() {
    let model = load(&asset("model"), &Device::flex()).unwrap();
    let (head, pixels) = (head_of(&model), sample(&model, "astronaut.png"));
    let brightest = |words: &str| {
        let label = text_embeddings(&model.clip, &model.tokenize(&[words]).unwrap());
        let (map, _) = grid(&model, &head, &pixels, &Ask::PatchMap { label });
        let best = (0..map.len()).max_by(|a, b| map[*a].total_cmp(&map[*b])).unwrap();
        [best / 9, best % 9]
    };
    let [_, column] = brightest("flag");
    assert!(column <= 1, "the flag is in column {column}");
    let [row, column] = brightest("a photo of a rocket");
    assert!(row <= 4 && (5..=8).contains(&column), "the shuttle is in row {row}, column {column}");
}
