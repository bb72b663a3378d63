//! Query strings, read as strictly as bodies: each parameter at most once, and none that is not known.

use axum::{extract::Query, http::Uri};

use super::problem::Problem;

/// The parameters of one request. Take what is known, then [`finish`](Self::finish).
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn of(uri: &Uri) -> Result<Self, Problem> {
        if uri.query().is_none_or(str::is_empty) {
            return Ok(Self(Vec::new()));
        }
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| {
            Problem::bad_request("malformed_query", "the query string is not well formed")
        })?;
        for (place, (name, _)) in pairs.iter().enumerate() {
            if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                let detail = format!("{name} is given more than once");
                return Err(Problem::bad_request("repeated_parameter", detail).field(name.clone()));
            }
        }
        Ok(Self(pairs))
    }

    pub fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(place).1)
    }

    /// A whole number within limits, ends included.
    pub fn number(&mut self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = plain.then(|| text.parse::<u64>().ok()).flatten();
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let detail = format!("{name} must be a whole number from {least} to {most}");
                Err(Problem::unprocessable("invalid_parameter", detail).field(name))
            }
        }
    }

    /// Whatever is left is not known here.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                let detail = format!("there is no parameter {name}");
                Err(Problem::bad_request("unknown_parameter", detail).field(name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Parameters, Problem> {
        Parameters::of(&format!("/x{query}").parse().expect("a path"))
    }

    #[test]
    fn known_parameters_are_taken_and_others_are_refused_by_name() {
        let mut parameters = of("?wait=30&reference=a%20b&x=1").expect("a query");
        assert_eq!(
            parameters.number("wait", 0, 30).expect("in limits"),
            Some(30)
        );
        assert_eq!(parameters.take("reference").as_deref(), Some("a b"));
        assert_eq!(parameters.take("status"), None);
        let problem = parameters.finish().expect_err("x is left");
        assert_eq!(
            (problem.code, problem.field.as_deref()),
            ("unknown_parameter", Some("x"))
        );
        assert!(of("").and_then(Parameters::finish).is_ok());
    }

    #[test]
    fn a_number_outside_its_limits_or_twice_is_refused() {
        for query in ["?wait=31", "?wait=-1", "?wait=", "?wait=1.5", "?wait=+1"] {
            let problem = of(query)
                .and_then(|mut found| found.number("wait", 0, 30))
                .expect_err(query);
            assert_eq!(problem.field.as_deref(), Some("wait"), "{query}");
        }
        assert_eq!(
            of("?wait=1&wait=2").err().map(|problem| problem.code),
            Some("repeated_parameter")
        );
    }
}
