//! A chart as data and layout for plotly.js.

use serde_json::{Value, json};

use super::axis::Scale;
use super::drawing::{Drawing, Point, Role, Series};
use super::labels::{end_labels, plain};
use super::sizes::{BEST, BEST_OPACITY, BOTTOM, LEFT, SHADE, SHADE_OPACITY, TICK_AWAY, TOP};
use crate::render::style;

/// Size of a marker, px.
const MARKER: f64 = 8.0;

/// Data and layout for plotly.js, and for the page's script the backend and view of
/// each trace, and what each view changes.
pub(super) fn plot(drawing: &Drawing) -> Value {
    let scaled = |series| trace(series, drawing.marker_scale(series));
    let traces = drawing.series.iter().map(scaled);
    let places = drawing.series.iter().map(|series| match series.role {
        Role::Best => Value::Null,
        _ => json!(series.place),
    });
    let parts = drawing.series.iter().map(|series| match series.role {
        Role::Upper(view) => json!(view),
        _ => Value::Null,
    });
    let views = drawing.views.iter().map(|view| {
        let ups = end_labels(drawing, &view.y)
            .into_iter()
            .map(|label| label.up);
        let range = json!([view.y.low, view.y.high]);
        (
            view.name.to_owned(),
            json!({"range": range, "ups": ups.collect::<Vec<f64>>()}),
        )
    });
    let labels = end_labels(drawing, &drawing.y);
    json!({
        "data": traces.collect::<Vec<Value>>(),
        "layout": layout(drawing),
        "places": places.collect::<Vec<Value>>(),
        "parts": parts.collect::<Vec<Value>>(),
        "labels": labels.iter().map(|label| label.place).collect::<Vec<usize>>(),
        "views": views.collect::<serde_json::Map<String, Value>>(),
    })
}

fn trace(series: &Series, marker_scale: f64) -> Value {
    let mut trace = match series.role {
        Role::Main => line(series, marker_scale),
        Role::Upper(_) => thin_line(series),
        Role::Best => band(series),
        Role::Ring => rings(series),
        Role::Bar => bars(series),
    };
    if series.role != Role::Bar {
        trace["type"] = json!("scatter");
        trace["x"] = json!(series.map_points(|point| point.x));
    }
    trace["y"] = json!(series.map_points(|point| point.y));
    trace["name"] = json!(plain(&series.name));
    trace["showlegend"] = json!(false);
    match series.hover.as_str() {
        "" => trace["hoverinfo"] = json!("skip"),
        hover => trace["hovertemplate"] = json!(hover),
    }
    trace
}

fn line(series: &Series, marker_scale: f64) -> Value {
    let colour = style::colour(series.place);
    let symbol = |point: &Point| {
        let name = style::marker(series.place);
        if point.hollow {
            format!("{name}-open")
        } else {
            name.to_owned()
        }
    };
    let beside = |point: &Point| {
        match (point.labelled, point.ringed) {
            (false, _) => String::new(),
            (true, false) => plain(&point.label),
            // An empty line below lifts it above the ring.
            (true, true) => format!("{}<br> ", plain(&point.label)),
        }
    };
    let marked = |point: &Point| {
        if point.dominated {
            style::NEUTRAL
        } else {
            colour
        }
    };
    let mut trace = json!({
        "mode": "lines+markers+text", "cliponaxis": false,
        "text": series.map_points(beside), "textposition": "top center", "textfont": {"size": 11},
        "hovertext": series.map_points(|point| plain(&point.text)),
        "line": {"color": colour, "width": 2.2, "dash": style::dash(series.place)},
        "marker": {"color": colour, "size": MARKER * marker_scale, "symbol": series.map_points(symbol)},
    });
    if series.points.iter().any(|point| point.dominated) {
        trace["marker"]["color"] = json!(series.map_points(marked));
    }
    if let Some(reach) = reach(series, colour, |point| (point.x, point.x_reach)) {
        trace["error_x"] = reach;
    }
    if let Some(reach) = reach(series, colour, |point| (point.y, point.y_reach)) {
        trace["error_y"] = reach;
    }
    trace
}

/// Whiskers from the value to least and most; `None` if no point has them.
fn reach(
    series: &Series,
    colour: &str,
    value_and_reach: impl Fn(&Point) -> (f64, Option<(f64, f64)>),
) -> Option<Value> {
    let known = series
        .points
        .iter()
        .any(|point| value_and_reach(point).1.is_some());
    let side = |far: fn(f64, (f64, f64)) -> f64| {
        series.map_points(|point| {
            let (value, reach) = value_and_reach(point);
            reach.map_or(0.0, |reach| far(value, reach).max(0.0))
        })
    };
    known.then(|| {
        json!({
            "type": "data", "symmetric": false,
            "array": side(|value, (_, high)| high - value),
            "arrayminus": side(|value, (low, _)| value - low),
            "color": colour, "thickness": 1.2, "width": 3,
        })
    })
}

fn thin_line(series: &Series) -> Value {
    let colour = style::colour(series.place);
    json!({
        "mode": "lines", "visible": false,
        "line": {"color": colour, "width": 1.0, "dash": style::dash(series.place)},
    })
}

fn band(_: &Series) -> Value {
    json!({
        "mode": "lines+markers",
        "line": {"color": BEST, "width": 11}, "opacity": BEST_OPACITY,
        "marker": {"color": BEST, "size": 17, "symbol": "circle"},
    })
}

fn rings(series: &Series) -> Value {
    let colour = style::colour(series.place);
    json!({
        "mode": "markers",
        "marker": {
            "symbol": "circle-open", "size": 17, "color": colour,
            "line": {"width": 2, "color": colour},
        },
    })
}

/// Bars with a text beside each, and a line to the far end if there is one.
fn bars(series: &Series) -> Value {
    let far = |point: &Point| {
        point
            .x_reach
            .map_or(0.0, |(_, far)| (far - point.x).max(0.0))
    };
    let colour = style::colour(series.place);
    json!({
        "type": "bar", "orientation": "h", "width": 0.55,
        "x": series.map_points(|point| point.x),
        "marker": {"color": colour},
        "error_x": {
            "type": "data", "symmetric": false, "array": series.map_points(far),
            "arrayminus": series.map_points(|_| 0.0), "color": colour, "thickness": 1.5, "width": 0,
        },
    })
}

fn layout(drawing: &Drawing) -> Value {
    let mut layout = json!({
        "autosize": true, "height": drawing.height, "showlegend": false,
        "margin": {"l": LEFT, "r": drawing.right, "t": TOP, "b": BOTTOM},
        "font": {"size": 12, "family": "system-ui, sans-serif"},
        "separators": ".\u{202f}",
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": if drawing.unified { "x unified" } else { "closest" },
        "dragmode": "zoom", "barmode": "overlay",
        "xaxis": axis(&drawing.x), "yaxis": axis(&drawing.y),
        "annotations": annotations(drawing),
    });
    if drawing.series.iter().any(|series| series.role == Role::Bar) {
        layout["xaxis"]["nticks"] = json!(4);
    }
    // All charts over the levels have the same steps.
    layout["xaxis"]["fixedrange"] = json!(drawing.unified);
    if let Some(shaded) = drawing.shaded {
        layout["shapes"] = json!([{
            "type": "rect", "layer": "below", "xref": "x", "yref": "paper",
            "x0": drawing.x.low, "x1": shaded, "y0": 0, "y1": 1,
            "fillcolor": SHADE, "opacity": SHADE_OPACITY, "line": {"width": 0},
        }]);
    }
    layout
}

fn axis(scale: &Scale) -> Value {
    let mut axis = json!({
        "range": [scale.low, scale.high], "showgrid": scale.grid, "zeroline": false,
        "automargin": true, "ticklabelstandoff": TICK_AWAY,
    });
    if !scale.title.is_empty() {
        axis["title"] = json!({"text": scale.title});
    }
    if scale.log {
        axis["type"] = json!("log");
    }
    match &scale.ticks {
        Some(ticks) => {
            let (values, texts): (Vec<f64>, Vec<String>) = ticks
                .iter()
                .map(|(value, text)| (*value, plain(text)))
                .unzip();
            axis["tickvals"] = json!(values);
            axis["ticktext"] = json!(texts);
        }
        None => {
            axis["tickformat"] = json!(",");
            axis["nticks"] = json!(6);
            axis["tickangle"] = json!(0);
        }
    }
    axis
}

fn annotations(drawing: &Drawing) -> Vec<Value> {
    let ends = end_labels(drawing, &drawing.y).into_iter().map(|label| {
        json!({
            "text": plain(&label.text), "x": label.x, "y": drawing.y.at(label.y),
            "xshift": label.right, "yshift": label.up, "xanchor": "left", "yanchor": "middle",
            "showarrow": false, "font": {"size": 12},
        })
    });
    let bars = drawing
        .series
        .iter()
        .filter(|series| series.role == Role::Bar);
    let beside = bars.flat_map(|series| &series.points).map(|point| {
        let far = point.x_reach.map_or(point.x, |(_, far)| far.max(point.x));
        json!({
            "text": plain(&point.text), "x": far, "y": point.y, "xshift": 5,
            "xanchor": "left", "yanchor": "middle", "showarrow": false, "font": {"size": 12},
        })
    });
    ends.chain(beside).collect()
}
