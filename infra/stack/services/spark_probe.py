"""One query of Spark Connect, with a deadline.

Not by pyspark's session: while the server starts it retries for a long time, and a session that is collected as garbage just
then can block for ever on its own thread pool (pyspark 4.1.4, ``SparkSession.__del__``).
"""

import uuid

import grpc

SECONDS = 60
"""Roof for the query, which on a server that has just started is slow; a server that isn't there yet refuses at once."""


def answers(port: int, token: str) -> bool:
    """Whether a query that somebody must work on comes back to a client with this token; the first one also warms them up."""
    from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc, relations_pb2

    plan = base_pb2.Plan(root=relations_pb2.Relation(sql=relations_pb2.SQL(query="SELECT sum(id) FROM range(0, 4, 1, 2)")))
    session, user = str(uuid.uuid4()), base_pb2.UserContext(user_id="readiness")
    login = [("authorization", f"Bearer {token}")]
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        server = base_pb2_grpc.SparkConnectServiceStub(channel)  # type: ignore[no-untyped-call]
        query = base_pb2.ExecutePlanRequest(session_id=session, user_context=user, plan=plan)
        done = base_pb2.ReleaseSessionRequest(session_id=session, user_context=user)
        try:
            rows = sum(part.arrow_batch.row_count for part in server.ExecutePlan(query, timeout=SECONDS, metadata=login))
            server.ReleaseSession(done, timeout=SECONDS, metadata=login)
        except grpc.RpcError:
            return False
    return bool(rows == 1)
