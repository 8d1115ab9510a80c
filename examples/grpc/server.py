"""A gRPC server to try Pulse with: quotes of a few symbols, with server reflection.

    python3 -m venv venv && venv/bin/pip install grpcio-tools grpcio-reflection
    venv/bin/python examples/grpc/server.py 50051

Port 0 takes a free one; the port is printed when the server is ready.
"""

import sys
from concurrent import futures
from pathlib import Path

import grpc
from grpc_reflection.v1alpha import reflection

sys.path.insert(0, str(Path(__file__).parent))
messages, services = grpc.protos_and_services("quotes.proto")

PRICES = {"AAPL": 231.5, "MSFT": 412.25, "SPY": 578.0}


class Quotes(services.QuotesServicer):
    def quote(self, symbol, context):
        if symbol not in PRICES:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{symbol} is not traded")
        return messages.Quote(symbol=symbol, price=PRICES[symbol])

    def Get(self, request, context):
        return self.quote(request.symbol, context)

    def Watch(self, request, context):
        for _ in range(request.count):
            yield self.quote(request.symbol, context)

    def Record(self, request_iterator, context):
        prices = [quote.price for quote in request_iterator]
        mean = sum(prices) / len(prices) if prices else 0
        return messages.Recorded(count=len(prices), mean_price=mean)

    def Chat(self, request_iterator, context):
        for ask in request_iterator:
            yield self.quote(ask.symbol, context)


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 50051
    compression = grpc.Compression.Gzip if "--gzip" in sys.argv else grpc.Compression.NoCompression
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), compression=compression)
    services.add_QuotesServicer_to_server(Quotes(), server)
    reflection.enable_server_reflection(["quotes.v1.Quotes", reflection.SERVICE_NAME], server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
