//! `photo://localhost/thumbnail/ID` and `photo://localhost/picture/ID`: pictures of photos on the table.
//!
//! The page names photos by number, so it can see no file that was not put on the table.

use cliploupe_workbench::{Workbench, messages::PhotoId};
use tauri::{
    Manager, Runtime, UriSchemeContext, UriSchemeResponder,
    http::{Request, Response, StatusCode, header},
};

/// Answers on a thread of the pool, never on the window's.
pub fn serve<R: Runtime>(context: UriSchemeContext<'_, R>, request: Request<Vec<u8>>, responder: UriSchemeResponder) {
    let app = context.app_handle().clone();
    tauri::async_runtime::spawn_blocking(move || {
        let bench = app.state::<Workbench>();
        responder.respond(answer(&bench, request.uri().path()));
    });
}

fn answer(bench: &Workbench, path: &str) -> Response<Vec<u8>> {
    let jpeg = match parse(path) {
        Some(("thumbnail", id)) => bench.thumbnail(id),
        Some(("picture", id)) => bench.picture(id).and_then(Result::ok),
        _ => None,
    };
    let (status, body) = jpeg.map_or((StatusCode::NOT_FOUND, Vec::new()), |jpeg| (StatusCode::OK, jpeg));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("image/jpeg"));
    // Numbers begin anew with each start, and must not find an older start's pictures.
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// `/thumbnail/12` or, as the page's own helper writes it, `/thumbnail%2F12`.
fn parse(path: &str) -> Option<(&str, PhotoId)> {
    let path = path.trim_start_matches('/');
    let (kind, id) = path.split_once('/').or_else(|| path.split_once("%2F"))?;
    Some((kind, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_spellings_of_a_path_are_read() {
        assert_eq!(parse("/thumbnail/12"), Some(("thumbnail", 12)));
        assert_eq!(parse("/picture%2F7"), Some(("picture", 7)));
        assert_eq!(parse("/thumbnail/../etc"), None);
    }
}
