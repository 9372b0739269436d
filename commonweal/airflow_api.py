"""The one room for Airflow's REST API: which runs are under way, and starting one."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from commonweal.errors import AccessDeniedError, ConfigError, TransientError
from commonweal.settings import Settings

TIMEOUT_SECONDS = 10.0
ACTIVE = ("queued", "running")
ENDED = ("success", "failed")
PAGE = 100
DENIED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)

_Params = dict[str, Any] | None
_Json = dict[str, Any] | None


@dataclass
class Airflow:
    """A client of one Airflow, signed in when it first has to be and again when its token has run out.

    Attributes:
        settings: Address and secrets.
        account: Airflow account; its password is the secret ``airflow-<account>``.
    """

    settings: Settings
    account: str
    _token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.settings.airflow_url:
            raise ConfigError("COMMONWEAL_AIRFLOW_URL is empty; start the stack or set it to the URL of Airflow's API server")
        self._http = httpx.Client(base_url=self.settings.airflow_url, timeout=TIMEOUT_SECONDS, trust_env=False)

    def active(self) -> frozenset[str]:
        """Ids of the DAGs of which a run is queued or running."""
        return frozenset(str(run["dag_id"]) for run in self._runs("~", ACTIVE))

    def ended(self, dag_id: str) -> int:
        """How many runs of a DAG have ended, well or not, as far as Airflow still knows them.

        Raises:
            TransientError: Airflow is unreachable, or has not read the DAG yet.
        """
        answer = self._ask("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"state": list(ENDED), "limit": 1})
        return int(self._body(answer, dag_id)["total_entries"])

    def start(self, dag_id: str, run_id: str, *, note: str = "") -> bool:
        """Start a run under an id of the caller's.

        Args:
            dag_id: The DAG.
            run_id: The run's id; a second start with the same id is refused.
            note: Why it was started, for people; names and counts only.

        Returns:
            False when a run with this id has been started before.

        Raises:
            TransientError: Airflow is unreachable, or has not read the DAG yet.
            AccessDeniedError: The account may not start runs.
        """
        body = {"dag_run_id": run_id, "logical_date": None, "note": note or None}
        answer = self._ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            return False
        self._body(answer, dag_id)
        return True

    def state(self, dag_id: str, run_id: str) -> str:
        """The state of a run: ``queued``, ``running``, ``success`` or ``failed``.

        Raises:
            TransientError: Airflow is unreachable, or knows no such run yet.
        """
        return str(self._body(self._ask("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"), dag_id)["state"])

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _runs(self, dag_id: str, states: tuple[str, ...]) -> list[dict[str, Any]]:
        """All pages."""
        runs: list[dict[str, Any]] = []
        while True:
            params = {"state": list(states), "limit": PAGE, "offset": len(runs), "order_by": "id"}
            body = self._body(self._ask("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=params), dag_id)
            page = body["dag_runs"]
            runs += page
            if not page or len(runs) >= body["total_entries"]:
                return runs

    def _ask(self, method: str, path: str, *, params: _Params = None, json: _Json = None) -> httpx.Response:
        """One request, signed in; a token that has run out is replaced once.

        Airflow answers 403 to a token that it doesn't take, as it does to an account that lacks a right.
        """
        answer = self._send(method, path, params, json) if self._token else None
        if answer is None or answer.status_code in DENIED:
            self._sign_in()
            answer = self._send(method, path, params, json)
        return answer

    def _sign_in(self) -> None:
        login = {"username": self.account, "password": self.settings.secret(f"airflow-{self.account}")}
        self._token = ""
        answer = self._send("POST", "/auth/token", None, login)
        if answer.status_code in DENIED:
            raise ConfigError(f"Airflow refused account {self.account}; check the secret file airflow-{self.account}")
        self._token = str(self._body(answer, "auth")["access_token"])

    def _send(self, method: str, path: str, params: _Params, json: _Json) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            return self._http.request(method, path, headers=headers, params=params, json=json)
        except httpx.HTTPError as error:
            raise TransientError(f"Airflow did not answer ({type(error).__name__}); see: commonweal stack status") from None

    def _body(self, answer: httpx.Response, what: str) -> dict[str, Any]:
        """The answer's JSON, or the error that its status stands for; Airflow's text is never repeated."""
        status = answer.status_code
        if answer.is_success:
            body: dict[str, Any] = answer.json()
            return body
        if status in DENIED:
            raise AccessDeniedError(f"{what}: Airflow denies account {self.account}; give it the role that may start runs")
        if status == httpx.codes.NOT_FOUND:
            raise TransientError(f"{what}: Airflow does not know it yet; it does when it has read the DAG file")
        if status >= 500 or status == httpx.codes.TOO_MANY_REQUESTS:
            raise TransientError(f"{what}: Airflow answered {status}; see: commonweal stack status")
        raise ConfigError(f"{what}: Airflow answered {status}; look at the DAG's import errors in its page")
