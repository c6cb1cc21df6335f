//! What the config and a call of an attention of several heads say.

use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, KerasTensor, Stop};
use crate::keras::layers::mask;
use crate::keras::layers::read::Read;
use crate::keras::ranges::{COUNT, SHARE};

/// Arguments that both classes have.
pub struct Common {
    /// Whether projections add a bias.
    pub bias: bool,
    /// Whether a function of the queries is multiplied with what comes out.
    pub gate: bool,
    /// How near places must be to see each other: less than so many away.
    pub window: Option<usize>,
    /// Whether training drops weights.
    pub dropout: bool,
}

impl Common {
    /// Reads them.
    pub fn read(cx: &Cx<'_>, r: &Read<'_>) -> Self {
        let given = |key| r.fields.value(key).is_some_and(|value| !value.is_null());
        Self {
            bias: r.flag("use_bias", true),
            gate: cx.is_keras3() && r.flag("use_gate", false),
            window: (cx.is_keras3() && given("sliding_window")).then(|| r.usize("sliding_window", COUNT)),
            dropout: r.number("dropout", 0.0, SHARE) > 0.0,
        }
    }
}

/// What a call says.
pub struct Call {
    /// The queries.
    pub query: KerasTensor,
    /// The values.
    pub value: KerasTensor,
    /// The keys, which are the values where they are not given.
    pub key: KerasTensor,
    /// Of queries, of values, and of keys if they were given.
    pub masks: [Option<NodeId>; 3],
    /// The argument `attention_mask`.
    attention_mask: Option<NodeId>,
    /// Whether no place sees one behind it.
    causal: bool,
    /// Whether the weights of the values are given too.
    pub scores: bool,
}

impl Call {
    /// Reads it.
    pub fn read(cx: &mut Cx<'_>, common: &Common) -> Result<Self, Stop> {
        let three = cx.is_keras3();
        cx.expect_arguments(if three { 7 } else { 4 })?;
        let (query, value) = (cx.tensor(0, "query")?, cx.tensor(1, "value")?);
        let (Some(query), Some(value)) = (query, value) else {
            return Err(cx.inconsistent("it takes a query and a value"));
        };
        let key = cx.tensor(2, "key")?;
        let mut masks = [query.mask, value.mask, key.and_then(|key| key.mask)];
        if three {
            for (index, name) in ["query_mask", "value_mask", "key_mask"].into_iter().enumerate() {
                if let Some(given) = cx.tensor(3 + index, name)? {
                    masks[index] = Some(cx.float(given.node)?);
                }
            }
        }
        let attention_mask = match cx.tensor(if three { 6 } else { 3 }, "attention_mask")? {
            Some(mask) => Some(cx.float(mask.node)?),
            None => None,
        };
        let causal = cx.switch("use_causal_mask")?;
        let scores = cx.switch("return_attention_scores")?;
        if common.dropout {
            cx.check_training()?;
        }
        Ok(Self {
            query,
            value,
            key: key.unwrap_or(value),
            masks,
            attention_mask,
            causal,
            scores,
        })
    }

    /// `_compute_attention_mask`: the masks of tensors and of places, and whether they say anything.
    fn automatic(&self, cx: &mut Cx<'_>, window: Option<usize>) -> Result<Option<NodeId>, Stop> {
        let mut masks = Vec::new();
        for (index, mask) in self.masks.into_iter().enumerate() {
            let Some(mask) = mask else { continue };
            let rank = cx.dims(mask).len();
            // Of masks of higher rank, each Keras counts the axis from another end.
            let axis = match (index, cx.is_keras3()) {
                (0, true) => rank,
                (_, true) => rank.saturating_sub(1),
                (0, false) => 2,
                (_, false) => 1,
            };
            masks.push(mask::with_axis(cx, mask, axis)?);
        }
        let (from, to) = (cx.dims(self.query.node), cx.dims(self.value.node));
        masks.extend(mask::places(cx, [from[1], to[1]], self.causal, window)?);
        mask::all_of(cx, masks)
    }

    /// The mask of scores. `as_bool` says whether the argument becomes one of bools where it stands alone.
    pub fn mask(
        &self,
        cx: &mut Cx<'_>,
        window: Option<usize>,
        as_bool: bool,
    ) -> Result<Option<NodeId>, Stop> {
        let automatic = self.automatic(cx, window)?;
        let Some(given) = self.attention_mask else {
            return Ok(automatic);
        };
        if automatic.is_none() && !as_bool {
            return Ok(Some(given));
        }
        let given = cx.apply(mask::differs_from(0.0), given)?;
        mask::all_of(cx, automatic.into_iter().chain([given]))
    }
}
